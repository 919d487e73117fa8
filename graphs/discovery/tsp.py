"""The travelling salesman as OPRO sets it (arXiv 2309.03409, section 3.2): a tour through cities on a plane.

The exact optimum is computed for a dozen cities at most, and stands in the report only: neither the value of a tour nor
the end of a run depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from reflectree.agents.evaluators.base import Score, ScoreError
from reflectree.graphs.discovery.base import Measured, running_best, set_all, squash
from reflectree.graphs.discovery.tours import (
    Distances,
    distances_of,
    length,
    nearest_neighbour,
    random_cities,
    reversed_between,
    shortest,
    two_opt,
)
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

MOST_EXACT = 12
"""Cities up to which the optimum is computed."""
MOST_CITIES = 200

_TOUR = re.compile(r"[\[(<]?\s*(\d{1,4}(?:(?:\s*(?:,|;|->|-|\u2192)\s*|\s+)\d{1,4})*)\s*[\])>]?\.?")


@dataclass(frozen=True, slots=True)
class Tsp(Measured):
    """One instance: `n` cities drawn by the seed."""

    n: int = 10
    seed: int = 0
    name: str = field(init=False)
    task: Task = field(init=False)
    cities: tuple[tuple[int, int], ...] = field(init=False, repr=False)
    distances: Distances = field(init=False, repr=False, compare=False)
    scale: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 4 <= self.n <= MOST_CITIES or self.seed < 0:
            raise BadInput(f"tsp/{self.n}/{self.seed}: give 4 to {MOST_CITIES} cities and a seed of at least 0")
        cities = random_cities(self.n, self.seed)
        distances = distances_of(cities)
        mean = float(distances.sum()) / (self.n * (self.n - 1))
        name = f"tsp/{self.n}/{self.seed}"
        set_all(
            self, name=name, task=Task(_question(cities), id=name), cities=cities, distances=distances,
            scale=self.n * mean,
        )  # fmt: skip

    def measure(self, candidate: str) -> Score:
        """The length of a tour; the value is `squash` of it, in units of a random tour's expected length."""
        found = length(read_tour(candidate, self.n), self.distances)
        return Score(squash(found, self.scale), f"length {found:.1f}", scores=(found,))

    def optimum(self) -> float | None:
        """The least length there is; `None` where there are too many cities to know."""
        return _optimum(self.cities) if self.n <= MOST_EXACT else None

    def report(self, answer: str) -> dict[str, Any]:
        """The length beside the optimum and beside the nearest-neighbour tour from city 0."""
        found, optimum = length(read_tour(answer, self.n), self.distances), self.optimum()
        return {
            "objective": found,
            "optimum": optimum,
            "gap": None if optimum is None else found / optimum - 1,
            "nearest_neighbour": length(nearest_neighbour(0, self.distances), self.distances),
        }

    def classical(self, evaluations: int, seed: int) -> list[float]:
        """Nearest neighbour with 2-opt, from one random city after the other; every tour looked at is counted."""
        rng, seen = Random(f"{self.name}:classical:{seed}"), list[float]()
        while len(seen) < evaluations:
            for found in two_opt(rng.randrange(self.n), self.distances):
                seen.append(found)
                if len(seen) == evaluations:
                    break
        return running_best(seen, self.sense)

    def draw(self, rng: Random) -> str:
        """A random tour."""
        tour = list(range(self.n))
        rng.shuffle(tour)
        return write_tour(tour)

    def vary(self, shown: Sequence[str], rng: Random) -> str:
        """The best tour with a part of it reversed, or with a city moved elsewhere."""
        tour = next((tour for text in reversed(shown) if (tour := self._try_tour(text)) is not None), None)
        if tour is None:
            return self.draw(rng)
        if rng.random() < 0.7:
            first, last = sorted(rng.sample(range(self.n), 2))
            return write_tour(reversed_between(tour, first, last))
        city = tour.pop(rng.randrange(self.n))
        tour.insert(rng.randrange(self.n), city)
        return write_tour(tour)

    def _try_tour(self, text: str) -> list[int] | None:
        try:
            return read_tour(text, self.n)
        except ScoreError:
            return None


def read_tour(candidate: str, n: int) -> list[int]:
    """The tour a candidate gives, as `0, 3, 1, 2`; coming back to the first city at the end may be written or not.

    Raises:
        ScoreError: It is no tour through every city once.
    """
    match = _TOUR.fullmatch(candidate.strip())
    if match is None:
        raise ScoreError("the candidate is no tour: write the numbers of all cities, as 0, 3, 1, 2")
    tour = [int(word) for word in re.findall(r"\d+", match[1])]
    if len(tour) == n + 1 and tour[0] == tour[-1]:
        tour.pop()
    if sorted(tour) != list(range(n)):
        raise ScoreError(f"a tour visits each of the cities 0 to {n - 1} exactly once")
    return tour


def write_tour(tour: Sequence[int]) -> str:
    """A tour as a candidate."""
    return ", ".join(map(str, tour))


def _question(cities: Sequence[tuple[int, int]]) -> str:
    places = ", ".join(f"{number} at ({x}, {y})" for number, (x, y) in enumerate(cities))
    return (
        f"Find a short closed tour through {len(cities)} cities: {places}. A tour visits each city once and returns to "
        "the first one; a lower length is better. The answer is the cities in the order of the tour, for example: "
        f"{write_tour(range(len(cities)))}"
    )


@cache
def _optimum(cities: tuple[tuple[int, int], ...]) -> float:
    return shortest(distances_of(cities))[1]
