"""A benchmark's report for a person: the table, what a search gained over sampling, and what the figures hide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reflectree.apps.terminal import dollars, duration, many, one_line, short

if TYPE_CHECKING:
    from rich.table import Table

    from reflectree.graphs.benching import Difference, Report, Summary
    from reflectree.rlm_ops.statistics import Interval

SPARE = 0.75
"""A run that ends by its cap with less of it used than this deserves a word."""
FEW_TASKS = 30
"""Below so many tasks only very large differences can be told from luck."""


def table(report: Report) -> Table:
    """One row a blueprint, in 80 columns; figures are means over the tasks."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    made.add_column("blueprint", no_wrap=True)
    for heading in ("accuracy [95 %]", "found", "selected", "tokens", "written", "calls", "time"):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        cells = (row.blueprint, _share(row.accuracy), *_found(row), short(row.tokens), short(row.completion_tokens),
                 f"{row.calls:.1f}", duration(row.wall_s))  # fmt: skip
        made.add_row(*(Text(one_line(cell)) for cell in cells))
    return made


def lines(report: Report) -> Iterator[str]:
    """What stands below the table: how runs ended, gains, remarks."""
    if report.n:
        yield "ended by: " + "; ".join(f"{one_line(row.blueprint)} {_ends(row)}" for row in report.rows)
    for difference in report.differences:
        yield gain(difference)
    yield from remarks(report)


def gain(difference: Difference) -> str:
    """One comparison in words."""
    by = difference.accuracy
    return (
        f"{one_line(difference.blueprint)} against {difference.baseline}: {difference.verdict} "
        f"({by.estimate:+.2f} [{by.low:+.2f}, {by.high:+.2f}], {many(difference.wins, 'task')} won, "
        f"{difference.losses:,} lost, p = {difference.p:.2g})"
    )


def remarks(report: Report) -> Iterator[str]:
    """What the figures alone would hide."""
    settings = report.settings
    if not report.complete:
        yield f"{report.n:,} of {many(settings.tasks, 'task')} counted: those that every blueprint has done"
    for row in report.rows:
        if row.failed_calls:
            yield f"{one_line(row.blueprint)}: {row.failed_calls:.2g} calls a task came to nothing"
        if row.unjudged:
            yield f"{row.blueprint}: the verifier could not judge {many(row.unjudged, 'answer')}; they count as wrong"
        ended = row.stop_reasons.get("budget:tokens", 0)
        if row.n and ended == row.n and row.tokens < SPARE * settings.tokens:
            yield (
                f"{one_line(row.blueprint)} could use only {row.tokens / settings.tokens:.0%} of its tokens, for a "
                "call reserves all it may write: lower operators.generate.max_tokens, or allow more tokens"
            )
        exhausted = row.stop_reasons.get("complete", 0)
        if exhausted and row.blueprint != "cot":
            yield f"{one_line(row.blueprint)} had tokens left on {many(exhausted, 'task')}, and nothing left to try"
    if 0 < report.n < FEW_TASKS:
        yield f"{many(report.n, 'task')} can only show very large differences: read the intervals, not the means"


def headline(report: Report) -> str:
    """What was measured."""
    settings = report.settings
    return one_line(
        f"{settings.taskset} · {settings.model} · at most {short(settings.tokens)} tokens a task · seed {settings.seed}"
    )


def price(report: Report) -> str:
    """What it cost in all."""
    usd = None if any(row.usd is None for row in report.rows) else sum(row.usd or 0.0 for row in report.rows)
    return f"{short(sum(row.tokens * row.n for row in report.rows))} tokens in all · {dollars(usd)}"


def _count(share: float, n: int) -> str:
    return f"{round(share * n)}/{n}"


def _found(row: Summary) -> tuple[str, str]:
    """How often a right answer was found, and how often, of those, it was the selected one."""
    found = round(row.in_structure * row.n)
    return _count(row.in_structure, row.n), f"{round(row.selected * row.n)}/{found}" if found else "-"


def _share(interval: Interval) -> str:
    return f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _ends(row: Summary) -> str:
    return ", ".join(f"{one_line(reason)} {count}x" for reason, count in row.stop_reasons.items())
