"""Tours of a travelling salesman: their length, the exact optimum of few cities, and the classical heuristics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float64]
"""`distances[i, j]` between two cities, shape (n, n), symmetric."""


def distances_of(cities: Sequence[tuple[int, int]]) -> Distances:
    """Euclidean distances."""
    points = np.asarray(cities, dtype=np.float64)
    return np.asarray(np.linalg.norm(points[:, None] - points[None, :], axis=-1))


def length(tour: Sequence[int], distances: Distances) -> float:
    """The length of the closed tour."""
    order = np.asarray(tour)
    return float(distances[order, np.roll(order, -1)].sum())


def shortest(distances: Distances) -> tuple[list[int], float]:
    """The optimal tour by dynamic programming (Held and Karp 1962): O(n^2 2^n) time, so for a dozen cities at most."""
    n = len(distances)
    rows = distances.tolist()
    costs = {(1 << city, city): (rows[0][city], 0) for city in range(1, n)}
    for size in range(2, n):
        for cities in combinations(range(1, n), size):
            visited = sum(1 << city for city in cities)
            for last in cities:
                rest = visited & ~(1 << last)
                costs[visited, last] = min(
                    (costs[rest, city][0] + rows[city][last], city) for city in cities if city != last
                )
    whole = (1 << n) - 2
    total, last = min((costs[whole, city][0] + rows[city][0], city) for city in range(1, n))
    tour, visited = [0], whole
    while visited:
        tour.append(last)
        visited, last = visited & ~(1 << last), costs[visited, last][1]
    return tour, total


def nearest_neighbour(start: int, distances: Distances) -> list[int]:
    """The tour that always goes on to the nearest city not yet visited."""
    tour, left = [start], set(range(len(distances))) - {start}
    while left:
        here = tour[-1]
        tour.append(min(left, key=lambda city: (distances[here, city], city)))
        left.remove(tour[-1])
    return tour


def two_opt(start: int, distances: Distances) -> Iterator[float]:
    """Nearest neighbour from `start`, then 2-opt to its end: the length of each tour that is looked at."""
    tour = nearest_neighbour(start, distances)
    best, improved = length(tour, distances), True
    yield best
    while improved:
        improved = False
        for first, last in combinations(range(1, len(tour)), 2):
            other = reversed_between(tour, first, last)
            found = length(other, distances)
            yield found
            if found < best - 1e-9:  # rounding is no improvement, and would go on for ever
                tour, best, improved = other, found, True


def reversed_between(tour: Sequence[int], first: int, last: int) -> list[int]:
    """The tour with the part from position `first` to `last` run backwards."""
    return [*tour[:first], *reversed(tour[first : last + 1]), *tour[last + 1 :]]


def random_cities(n: int, seed: int) -> tuple[tuple[int, int], ...]:
    """Distinct cities with whole coordinates from -100 to 100, as OPRO draws them."""
    rng, cities = Random(f"tsp:{n}:{seed}"), dict[tuple[int, int], None]()
    while len(cities) < n:
        cities[rng.randint(-100, 100), rng.randint(-100, 100)] = None
    return tuple(cities)
