"""Hidden rules for hypothesis search: list functions, and small grids in the manner of ARC, with cases drawn from them.

The cases of a rule are the same on every machine. No model is shown a rule or a held-out case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Literal

TRAIN, TEST = 4, 6

Kind = Literal["list", "grid"]
Grid = list[list[int]]


@dataclass(frozen=True, slots=True)
class Case:
    """An input and the output that the rule gives it."""

    given: Any
    wanted: Any


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on lists of whole numbers or on grids of colours 0 to 4."""

    kind: Kind
    function: Callable[[Any], Any]

    def cases(self, name: str) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
        """Train cases and held-out ones; all inputs are different."""
        rng, found = Random(f"hypothesis:{name}"), dict[str, Case]()
        while len(found) < TRAIN + TEST:
            given = _numbers(rng) if self.kind == "list" else _grid(rng)
            found[str(given)] = Case(given, self.function(given))
        cases = tuple(found.values())
        return cases[:TRAIN], cases[TRAIN:]


def _numbers(rng: Random) -> list[int]:
    return [rng.randint(0, 9) for _ in range(rng.randint(4, 8))]


def _grid(rng: Random) -> Grid:
    width, height = rng.randint(2, 5), rng.randint(2, 5)
    return [[rng.choice((0, 0, 1, 2, 3, 4)) for _ in range(width)] for _ in range(height)]


def _fall(grid: Grid) -> Grid:
    """Every colour falls to the bottom of its column."""
    columns = [sorted(column, key=bool) for column in zip(*grid, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _outline(grid: Grid) -> Grid:
    """A border of colour 4 around the grid."""
    width = len(grid[0]) + 2
    return [[4] * width, *([4, *row, 4] for row in grid), [4] * width]


RULES: Mapping[str, Rule] = {
    "double-evens": Rule("list", lambda x: [2 * v if v % 2 == 0 else v for v in x]),
    "sorted-evens": Rule("list", lambda x: sorted(v for v in x if v % 2 == 0)),
    "reversed-running-sum": Rule("list", lambda x: list(accumulate(x))[::-1]),
    "drop-ends": Rule("list", lambda x: x[1:-1]),
    "distinct-falling": Rule("list", lambda x: sorted(set(x), reverse=True)),
    "repeat-by-value": Rule("list", lambda x: [v for v in x for _ in range(v)]),
    "above-mean": Rule("list", lambda x: [v for v in x if v * len(x) > sum(x)]),
    "mirror": Rule("grid", lambda x: [row + row[::-1] for row in x]),
    "quarter-turn": Rule("grid", lambda x: [list(row) for row in zip(*x[::-1], strict=True)]),
    "gravity": Rule("grid", _fall),
    "outline": Rule("grid", _outline),
}
