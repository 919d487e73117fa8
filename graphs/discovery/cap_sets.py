"""Cap sets, FunSearch's first discovery: sets of vectors over {0, 1, 2} without three on a line.

A program gives each vector a priority; the vectors are then tried in that order, and one that completes no line is
taken. The taking is ours, so that any priorities give a true cap set.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any

from reflectree.agents.evaluators.base import ScoreError

Vector = tuple[int, ...]
KNOWN: dict[int, int] = {3: 9, 4: 20, 5: 45, 6: 112}
"""The largest there are, for the report only (Potechin 2008 for six dimensions)."""


def decide(priority: Any, given: Any) -> list[list[float]]:
    """For each dimension the priority of each vector. It runs in the sandbox, so it uses built-ins only."""
    from itertools import product

    return [[float(priority(vector, n)) for vector in product((0, 1, 2), repeat=n)] for n in given]


HARNESS = inspect.getsource(decide)


@cache
def vectors(n: int) -> tuple[Vector, ...]:
    """All vectors of a dimension, in lexicographic order."""
    return tuple(product((0, 1, 2), repeat=n))


def greedy(priorities: object, n: int) -> list[Vector]:
    """The cap set that taking vectors by falling priority gives; ties in lexicographic order.

    Raises:
        ScoreError: There is not one finite number a vector.
    """
    space = vectors(n)
    if not isinstance(priorities, list) or len(priorities) != len(space):
        raise ScoreError("there is not one priority a vector")
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in priorities):
        raise ScoreError("a priority is not a finite number")
    order = sorted(range(len(space)), key=lambda place: -priorities[place])
    taken, blocked = list[Vector](), set[Vector]()
    for place in order:
        vector = space[place]
        if vector in blocked:
            continue
        blocked.update(third(vector, other) for other in taken)
        taken.append(vector)
        blocked.add(vector)
    return taken


def third(one: Vector, two: Vector) -> Vector:
    """The vector on the line through two others: the three add up to 0 modulo 3."""
    return tuple(-(a + b) % 3 for a, b in zip(one, two, strict=True))


def is_cap_set(found: Sequence[Vector]) -> bool:
    """Whether no three of them are on a line."""
    members = set(found)
    return len(members) == len(found) and not any(
        third(one, two) in members for place, one in enumerate(found) for two in found[:place]
    )
