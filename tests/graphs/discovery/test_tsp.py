from __future__ import annotations

from itertools import permutations
from random import Random

import pytest

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs.discovery.tours import (
    distances_of,
    length,
    nearest_neighbour,
    random_cities,
    shortest,
    two_opt,
)
from reflectree.graphs.discovery.tsp import Tsp, read_tour, write_tour
from reflectree.rlm_ops.errors import BadInput

SQUARE = ((0, 0), (0, 3), (4, 3), (4, 0))


def test_lengths_of_a_rectangle() -> None:
    distances = distances_of(SQUARE)
    assert length([0, 1, 2, 3], distances) == 14
    assert length([0, 2, 1, 3], distances) == 18
    assert shortest(distances)[1] == 14
    assert nearest_neighbour(0, distances) == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
def test_held_karp_is_the_optimum_that_trying_all_tours_finds(seed: int) -> None:
    distances = distances_of(random_cities(7, seed))
    tour, found = shortest(distances)
    assert found == pytest.approx(min(length((0, *rest), distances) for rest in permutations(range(1, 7))))
    assert length(tour, distances) == pytest.approx(found)
    assert sorted(tour) == list(range(7))


def test_two_opt_ends_where_no_reversal_helps() -> None:
    distances = distances_of(random_cities(9, 1))
    looked_at = list(two_opt(0, distances))
    assert looked_at[0] == length(nearest_neighbour(0, distances), distances)
    assert shortest(distances)[1] <= min(looked_at) + 1e-9 <= looked_at[0] + 1e-9


@pytest.mark.parametrize("text", ["0, 3, 1, 2", "[0,3,1,2]", "0 -> 3 -> 1 -> 2 -> 0", "0 3 1 2", "0-3-1-2."])
def test_a_tour_is_read_in_any_usual_dress(text: str) -> None:
    assert read_tour(text, 4) == [0, 3, 1, 2]


@pytest.mark.parametrize(
    "text", ["", "0, 1, 2", "0, 1, 2, 2", "0, 1, 2, 4", "0, 1, 2, 3, 1", "a, b", "-1, 0, 1, 2", "0,"]
)
def test_what_is_no_tour_is_an_error(text: str) -> None:
    with pytest.raises(ScoreError):
        read_tour(text, 4)


def test_shorter_tours_are_worth_more_and_none_ends_a_run() -> None:
    problem = Tsp(10, 0)
    tour, best = shortest(problem.distances)
    assert problem.optimum() == pytest.approx(best)
    score, other = problem.measure(write_tour(tour)), problem.measure(write_tour(range(10)))
    assert other.value < score.value < 1
    assert score.scores[0] == pytest.approx(best)
    assert problem.report(write_tour(tour))["gap"] == pytest.approx(0)
    assert Tsp(13, 0).optimum() is None


def test_the_classical_method_nears_the_optimum_and_is_counted() -> None:
    problem = Tsp(10, 0)
    curve = problem.classical(300, 0)
    assert len(curve) == 300
    optimum = problem.optimum()
    assert optimum is not None
    assert optimum - 1e-9 <= curve[-1] <= 1.05 * optimum


def test_cities_are_checked() -> None:
    for n, seed in ((3, 0), (201, 0), (10, -1)):
        with pytest.raises(BadInput, match="4 to 200 cities"):
            Tsp(n, seed)
    assert len(set(Tsp(50, 2).cities)) == 50


def test_variations_are_tours() -> None:
    problem, rng = Tsp(6, 0), Random(0)
    for _ in range(50):
        assert problem.measure(problem.vary([problem.draw(rng), "nonsense"], rng)).value > 0
