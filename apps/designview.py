"""A design search's report for a person: the designs, the untouched test part, what it cost and when it pays."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reflectree.apps.terminal import many, one_line, short

if TYPE_CHECKING:
    from rich.table import Table

    from reflectree.graphs.design_search.lineage import Ancestry
    from reflectree.graphs.design_search.report import SearchReport
    from reflectree.rlm_ops.statistics import Interval

MOST_ROWS = 12
"""Designs that are shown: the best ones, and the seed."""


def show(report: SearchReport, out: Any) -> None:
    """Print it."""
    from rich.text import Text

    out.print(Text(headline(report), style="bold"), soft_wrap=True)
    out.print(designs(report))
    if report.tested:
        out.print(tested(report))
    for line in lines(report):
        out.print(Text(line), soft_wrap=True)


def where(folder: str, out: Any) -> None:
    """Say where the winner lies."""
    from rich.text import Text

    line = f"kept in {shlex.quote(folder)}: winner.yaml is a blueprint, report.json has all figures"
    out.print(Text(line, style="dim"), soft_wrap=True)


def headline(report: SearchReport) -> str:
    """What was searched, in one line."""
    settings = report.settings
    return (
        f"{settings['level']} level by {settings['method']}: {many(len(report.designs), 'design')}, "
        f"{many(report.validation, 'validation task')}, ended by {report.stop}"
    )


def designs(report: SearchReport) -> Table:
    """One row a design: where it came from, how good and how dear it is."""
    made = _table("design", "from", "validation", "better than seed", "tokens", "change")
    best = sorted(report.designs, key=lambda one: -(one.mean if one.mean is not None else -1.0))[:MOST_ROWS]
    shown = {one.node for one in best} | {one.node for one in report.designs if one.digest == report.seed.digest}
    for one in report.designs:
        if one.node in shown:
            made.add_row(*_cells(one, report))
    return made


def tested(report: SearchReport) -> Table:
    """One row a final design on the test part."""
    made = _table("on test", "accuracy [95 %]", "tokens a task", "calls a task")
    for one in report.tested:
        made.add_row(one.name, _interval(one.accuracy), short(one.tokens), f"{one.calls:.1f}")
    return made


def lines(report: SearchReport) -> Iterator[str]:
    """What stands below the tables: the verdict, costs, the break-even point, failures."""
    yield f"verdict: {report.verdict}" + _against(report.difference, "the seed")
    if report.at_equal_cost is not None:
        holds_zero = report.at_equal_cost.low <= 0 <= report.at_equal_cost.high
        yield ("no gain" if holds_zero else "difference") + _against(report.at_equal_cost, "the seed at equal cost")
    if report.untested:
        yield f"not tested: {one_line(report.untested)}"
    yield f"search {short(report.search.tokens)} tokens, test {short(report.final.tokens)} tokens"
    if report.lost_runs:
        yield (
            f"{many(report.lost_runs, 'run')} lost with Ray workers, counted as paid in full: "
            f"{report.lost.calls:,} calls, {short(report.lost.tokens)} tokens"
        )
    if report.verdict == "gain":
        tasks = report.break_even
        yield "break-even: " + (
            "never, a right answer stays dearer" if tasks is None else f"after {many(tasks, 'task')}"
        )
    for reason, count in list(report.failures.items())[:3]:
        yield f"came to nothing {count}x: {one_line(reason)}"


def _cells(one: Ancestry, report: SearchReport) -> tuple[str, ...]:
    name = f"{one.node}{' *' if one.digest == report.winner.digest else ''}"
    value = one.status if one.mean is None else f"{one.mean:.2f}"
    sure = "" if one.better is None or one.digest == report.seed.digest else f"{one.better:.0%}"
    change = "the seed" if one.digest == report.seed.digest else one_line(one.changed)[:60]
    return name, ", ".join(map(str, one.parents)), value, sure, "" if one.tokens is None else short(one.tokens), change


def _table(*headings: str) -> Table:
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for heading in headings:
        made.add_column(heading)
    return made


def _interval(interval: Interval) -> str:
    return f"{interval.estimate:.2f} {interval.low:.2f}-{interval.high:.2f}"


def _against(interval: Interval | None, other: str) -> str:
    if interval is None:
        return ""
    return f" against {other}: {interval.estimate:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"
