"""What a search over designs came to: lineage, bills, the untouched test part, the seed at equal cost, the break-even.

Figures only; how they look on a terminal is not known here. Wherever accuracy stands, tokens stand beside it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from reflectree.graphs.design_search.lineage import Ancestry
from reflectree.graphs.design_search.preflight import Preflight
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.statistics import Interval, paired_bootstrap, wilson_interval
from reflectree.rlm_ops.usage import NO_USAGE, Usage

Verdict = Literal["gain", "no gain", "loss", "seed kept", "not tested"]


@dataclass(frozen=True, slots=True)
class Tested:
    """A design on the test part.

    Attributes:
        name: `seed`, `winner`, or `seed at equal cost`.
        digest: Its digest.
        scores: One score an example.
        accuracy: Their mean, with an interval.
        tokens: Tokens a task, and `calls` calls.
    """

    name: str
    digest: str
    scores: tuple[float, ...]
    accuracy: Interval
    tokens: float
    calls: float

    @classmethod
    def of(cls, name: str, digest: str, scores: Sequence[float], usage: Usage) -> Tested:
        """The figures of a design that was run over the whole test part; `usage` is what that cost, paid now or not."""
        n = len(scores)
        return cls(name, digest, tuple(scores), mean_interval(scores), usage.tokens / n, usage.calls / n)


@dataclass(frozen=True, slots=True)
class SearchReport:
    """The report of a search over designs.

    Attributes:
        settings: What was searched: level, method, task set, models, seed.
        preflight: What one evaluation of the seed costs.
        designs: All designs, oldest first.
        failures: Why proposals and evaluations came to nothing, by reason.
        seed: The seed design.
        winner: The design that was chosen: the seed where none was better beyond doubt.
        stop: Why the search ended.
        search: The bill of the search, `preflight` included, and `final` that of the test.
        tested: The seed, the winner, and the seed at the winner's cost, on the test part; empty where the budget did
            not pay that, and `untested` says so.
        validation: Examples by which designs were chosen.
        lost_runs: Runs of designs that were lost with their Ray workers, and `lost` the most that they can have cost,
            which is on the bills.
    """

    settings: Mapping[str, Any]
    preflight: Preflight
    designs: tuple[Ancestry, ...]
    failures: Mapping[str, int]
    seed: Blueprint
    winner: Blueprint
    stop: str
    search: Usage
    final: Usage
    tested: tuple[Tested, ...]
    validation: int
    untested: str = ""
    lost_runs: int = 0
    lost: Usage = NO_USAGE

    def on_test(self, name: str) -> Tested | None:
        """A design's figures on the test part."""
        return next((one for one in self.tested if one.name == name), None)

    @property
    def difference(self) -> Interval | None:
        """The winner's test score less the seed's, paired, with its 95 % interval."""
        return self._less("seed")

    @property
    def at_equal_cost(self) -> Interval | None:
        """The winner's test score less that of the seed at the winner's cost."""
        return self._less("seed at equal cost")

    @property
    def verdict(self) -> Verdict:
        """Whether the winner is better on the test part: a gain only where the interval leaves zero out."""
        if self.winner.digest == self.seed.digest:
            return "seed kept"
        interval = self.difference
        if interval is None:
            return "not tested"
        return "gain" if interval.low > 0 else "loss" if interval.high < 0 else "no gain"

    @property
    def break_even(self) -> int | None:
        """After how many tasks the search has paid for itself; `None` is never, so far as was shown."""
        seed, winner = self.on_test("seed"), self.on_test("winner")
        if seed is None or winner is None or self.verdict != "gain":
            return None
        return break_even(
            self.search.tokens, seed.tokens, seed.accuracy.estimate, winner.tokens, winner.accuracy.estimate
        )

    def to_json(self) -> dict[str, Any]:
        """The report as data."""
        return {
            **self.settings,
            "stop_reason": self.stop,
            "verdict": self.verdict,
            "seed_design": self.seed.digest,
            "winner": self.winner.digest,
            "validation": self.validation,
            "difference": _row(self.difference),
            "difference_at_equal_cost": _row(self.at_equal_cost),
            "break_even_tasks": self.break_even,
            "usage": {"search": asdict(self.search), "final": asdict(self.final)},
            "preflight": self.preflight.to_json(),
            "tested": [asdict(one) for one in self.tested],
            "untested": self.untested,
            "lost": {"runs": self.lost_runs, "usage": asdict(self.lost)},
            "designs": [one.to_json() for one in self.designs],
            "failures": dict(self.failures),
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `report.json` and `winner.yaml`, each at once and whole."""
        from reflectree.graphs import blueprints

        for name, text in (
            ("report.json", json.dumps(self.to_json(), indent=1)),
            ("winner.yaml", blueprints.dump(self.winner)),
        ):
            place = Path(folder) / name
            half = place.with_suffix(f"{place.suffix}.part")
            half.write_text(text, encoding="utf-8")
            half.replace(place)

    def _less(self, other: str) -> Interval | None:
        winner, second = self.on_test("winner"), self.on_test(other)
        return None if winner is None or second is None else paired_bootstrap(winner.scores, second.scores)


def mean_interval(scores: Sequence[float]) -> Interval:
    """The mean with a 95 % interval: Wilson's where all are right or wrong, else a bootstrap."""
    if set(scores) <= {0.0, 1.0}:
        return wilson_interval(round(sum(scores)), len(scores))
    return paired_bootstrap(scores, [0.0] * len(scores))


def break_even(search: int, seed_tokens: float, seed_right: float, tokens: float, right: float) -> int | None:
    """After how many tasks a right answer costs no more than with the seed design, the search's tokens counted in.

    A right answer costs `seed_tokens / seed_right` with the seed. After N tasks the winner has cost `search + N tokens`
    and given `N right` of them, so that N = search / (right seed_tokens / seed_right - tokens).

    Args:
        search: Tokens of the search.
        seed_tokens: Tokens a task with the seed.
        seed_right: Share of right answers with the seed.
        tokens: Tokens a task with the winner.
        right: Share of right answers with the winner.

    Returns:
        The number of tasks, 1 where the seed is never right and the winner is, and `None` for never.
    """
    if right <= 0:
        return None
    if seed_right <= 0:
        return 1
    saved = right * seed_tokens / seed_right - tokens
    return math.ceil(search / saved) if saved > 0 else None


def _row(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else asdict(interval)
