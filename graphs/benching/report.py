"""From outcomes to figures: accuracy with its interval, what it cost, and whether a search gained anything.

Nothing here runs anything or knows of terminals. Only tasks that every blueprint has done are counted, so that all rows
of a table are about the same tasks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reflectree.graphs.benching.record import Outcome, Settings
from reflectree.rlm_ops.statistics import Interval, paired_bootstrap, wilson_interval

BASELINES = ("self-consistency", "best-of-n")
"""What every table holds besides what was asked for: sampling at the same tokens is what a search has to beat."""
ONE_SAMPLE = "cot"
SIGNIFICANT = 0.05

Verdict = Literal["gain", "no gain", "loss"]


@dataclass(frozen=True, slots=True)
class Summary:
    """One row of the table.

    Attributes:
        blueprint: Its name.
        n: Tasks.
        accuracy: Share of tasks whose selected answer is right, with Wilson's 95 % interval.
        in_structure: Share of tasks for which a right answer was found at all.
        selected: Share of tasks for which it was found and selected: the accuracy, to be read beside `in_structure`.
        unjudged: Tasks whose answer the verifier could not judge; they count as not right.
        tokens: Mean prompt and completion tokens a task, and their two parts.
        calls: Mean calls a task; `failed_calls` is their mean that came to nothing.
        usd: Dollars in all; `None` is unknown.
        nodes: Mean steps a task.
        wall_s: Mean seconds a task.
        stop_reasons: How often runs ended for which reason.
    """

    blueprint: str
    n: int
    accuracy: Interval
    in_structure: float
    selected: float
    unjudged: int
    tokens: float
    prompt_tokens: float
    completion_tokens: float
    calls: float
    failed_calls: float
    usd: float | None
    nodes: float
    wall_s: float
    stop_reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """A blueprint against a baseline, on the same tasks at the same tokens.

    Attributes:
        blueprint: The one.
        baseline: The other.
        accuracy: Difference of their accuracies, with the 95 % interval of a paired bootstrap.
        wins: Tasks only the blueprint got right; `losses`: only the baseline.
        p: Two-sided exact sign test over wins and losses. With few tasks a bootstrap is too sure of itself.
        verdict: `gain` or `loss` only where the interval leaves out 0 and the test agrees; else `no gain`.
    """

    blueprint: str
    baseline: str
    accuracy: Interval
    wins: int
    losses: int
    p: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark's figures.

    Attributes:
        settings: What was measured.
        n: Tasks counted: those that all blueprints have done.
        rows: One row a blueprint.
        differences: Each blueprint but the baselines and the single sample, against each baseline.
        outcomes: Everything the figures are made of, and those of tasks not counted yet.
        paused: The cap on the whole that keeps further runs from beginning; `None` where there is none.
    """

    settings: Settings
    n: int
    rows: tuple[Summary, ...]
    differences: tuple[Difference, ...]
    outcomes: tuple[Outcome, ...]
    paused: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every blueprint has done every task."""
        return self.n == self.settings.tasks

    def to_json(self) -> dict[str, Any]:
        """The JSON object the command line prints."""
        return {
            "settings": asdict(self.settings),
            "n": self.n,
            "complete": self.complete,
            "blueprints": [asdict(row) for row in self.rows],
            "differences": [asdict(difference) for difference in self.differences],
            **({"paused": self.paused} if self.paused else {}),
        }


def report(settings: Settings, outcomes: Sequence[Outcome]) -> Report:
    """The figures of some outcomes."""
    by_name: dict[str, dict[str, Outcome]] = {name: {} for name in settings.blueprints}
    for outcome in outcomes:
        by_name.get(outcome.blueprint, {})[outcome.task] = outcome
    first = next(iter(by_name.values()))
    tasks = [task for task in first if all(task in found for found in by_name.values())]
    columns = {name: [found[task] for task in tasks] for name, found in by_name.items()}
    searches = [name for name in columns if name not in (*BASELINES, ONE_SAMPLE)]
    return Report(
        settings,
        len(tasks),
        tuple(_summary(name, column) for name, column in columns.items()),
        tuple(
            _difference(name, columns[name], baseline, columns[baseline])
            for name in searches
            for baseline in BASELINES
            if tasks and baseline in columns
        ),
        tuple(outcomes),
    )


def _summary(name: str, column: Sequence[Outcome]) -> Summary:
    n = len(column)

    def mean(values: Sequence[float]) -> float:
        return sum(values) / n if n else 0.0

    right = sum(outcome.correct is True for outcome in column)
    prices = [outcome.usd for outcome in column]
    return Summary(
        blueprint=name,
        n=n,
        accuracy=wilson_interval(right, n),
        in_structure=mean([outcome.in_structure is True for outcome in column]),
        selected=mean([outcome.correct is True for outcome in column]),
        unjudged=sum(outcome.correct is None for outcome in column),
        tokens=mean([outcome.tokens for outcome in column]),
        prompt_tokens=mean([outcome.prompt_tokens for outcome in column]),
        completion_tokens=mean([outcome.completion_tokens for outcome in column]),
        calls=mean([outcome.calls for outcome in column]),
        failed_calls=mean([outcome.failed_calls for outcome in column]),
        usd=None if None in prices else math.fsum(price for price in prices if price is not None),
        nodes=mean([outcome.nodes for outcome in column]),
        wall_s=mean([outcome.wall_s for outcome in column]),
        stop_reasons=dict(Counter(outcome.stop_reason for outcome in column).most_common()),
    )


def _difference(name: str, ours: Sequence[Outcome], baseline: str, theirs: Sequence[Outcome]) -> Difference:
    first = [float(outcome.correct is True) for outcome in ours]
    second = [float(outcome.correct is True) for outcome in theirs]
    interval = paired_bootstrap(first, second)
    wins = sum(a > b for a, b in zip(first, second, strict=True))
    losses = sum(a < b for a, b in zip(first, second, strict=True))
    p = sign_test(wins, losses)
    verdict: Verdict = "no gain"
    if p < SIGNIFICANT and interval.low > 0:
        verdict = "gain"
    elif p < SIGNIFICANT and interval.high < 0:
        verdict = "loss"
    return Difference(name, baseline, interval, wins, losses, p, verdict)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p-value of as uneven a split of `wins + losses` fair coins."""
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(min(wins, losses) + 1))
    return float(min(1.0, 2 * tail / 2**n))
