"""Online bin packing, the test bed of FunSearch (Romera-Paredes et al. 2023, Nature 625): a heuristic decides.

Items come one by one; for each the heuristic gives every bin that has room a priority, and the highest takes it. Our
side checks each packing: a bin that overflows is a failure, whatever the program says.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from reflectree.agents.evaluators.base import ScoreError

Priority = Callable[[int, list[int]], Sequence[float]]
"""Priorities of bins with so much room left, for an item; the last bin is an empty one."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Items in the order in which they come, and the capacity of each bin."""

    items: tuple[int, ...]
    capacity: int

    @property
    def least(self) -> int:
        """Bins that any packing needs at least: the sum of the items over the capacity."""
        return math.ceil(sum(self.items) / self.capacity)


def decide(priority: Any, given: Any) -> list[list[int]]:
    """For each instance the bin of each item. It runs in the sandbox, so it uses built-ins only."""
    packings = []
    for items, capacity in given:
        rooms: list[int] = []
        chosen = []
        for item in items:
            fitting = [place for place, room in enumerate(rooms) if room >= item]
            fitting.append(len(rooms))
            spaces = [rooms[place] if place < len(rooms) else capacity for place in fitting]
            values = [float(value) for value in priority(item, list(spaces))]
            if len(values) != len(fitting) or any(value != value for value in values):
                raise ValueError("priority returns one number a bin, and none that is not a number")
            place = fitting[values.index(max(values))]
            if place == len(rooms):
                rooms.append(capacity)
            rooms[place] -= item
            chosen.append(place)
        packings.append(chosen)
    return packings


HARNESS = inspect.getsource(decide)


def bins_used(packing: object, instance: Instance) -> int:
    """How many bins a packing takes.

    Raises:
        ScoreError: It does not pack every item, or a bin overflows.
    """
    if not isinstance(packing, list) or len(packing) != len(instance.items):
        raise ScoreError("the packing does not place every item")
    rooms: dict[int, int] = {}
    for item, place in zip(instance.items, packing, strict=True):
        if type(place) is not int:
            raise ScoreError("the packing names no bin for an item")
        rooms[place] = rooms.get(place, instance.capacity) - item
        if rooms[place] < 0:
            raise ScoreError("the packing overfills a bin")
    return len(rooms)


def instances(part: str, count: int, items: int) -> tuple[Instance, ...]:
    """Instances as OR-Library's u-series has them: sizes 20 to 100 at random, bins of 150 (Falkenauer 1996)."""
    rng = Random(f"bin-packing:{part}")
    return tuple(Instance(tuple(rng.randint(20, 100) for _ in range(items)), 150) for _ in range(count))


CLASSICAL: Mapping[str, Priority] = {
    "next fit": lambda item, bins: [1.0 if place == len(bins) - 2 else 0.0 for place in range(len(bins))],
    "first fit": lambda item, bins: [-float(place) for place in range(len(bins))],
    "worst fit": lambda item, bins: [float(room) if place < len(bins) - 1 else 0.0 for place, room in enumerate(bins)],
    "best fit": lambda item, bins: [-float(room) for room in bins],
    "best fit, then first": lambda item, bins: [-room - place / 1e6 for place, room in enumerate(bins)],
}
"""The textbook heuristics; all but next fit are any-fit: they open a bin only where nothing else has room."""
