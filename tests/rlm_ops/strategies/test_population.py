"""Populations: who lives on which island, what is preferred there, and what begins anew."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from tests.rlm_ops.strategies.test_islands import bred, small
from tests.support.drive import PAID, land, started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Failed
from reflectree.rlm_ops.strategies.islands import Islands
from reflectree.rlm_ops.strategies.population import Island, Population, Program, island_of, label


def test_only_good_programs_are_lost_by_a_reset_and_the_best_founds_anew() -> None:
    """Four programs on four islands; the fourth to be measured resets the two worst."""
    strategy = Islands(islands=4, starts=1, programs=10, reset_every=4)
    history, random = started(strategy), Random(0)
    for call in strategy.ask(history.live, 4):
        history.begin(call)
        land(history, random, bred)
    for node, value in ((1, 0.2), (2, 0.9), (3, 0.1), (4, 0.7)):
        assert Call("evaluate", (node,)) in strategy.ask(history.live, 4)
        history.tell(Evaluated(node=node, value=value, usage=PAID))
    population = Population(4, 4)
    population.read(history.live)
    assert population.resets == 1
    assert [island.best.node if island.best else None for island in population.islands[1::2]] == [2, 4]
    for island in population.islands[::2]:
        assert island.best is not None
        assert island.best.node in (2, 4)
        assert island.programs == 1
    again = Population(4, 4)
    again.read(history.live)
    assert again.islands == population.islands, "read again, the same"


def test_programs_are_read_in_the_order_in_which_they_came() -> None:
    """A program that is measured late holds up those after it, so that resets do not depend on when it was read."""
    strategy = small()
    history, random = started(strategy), Random(0)
    for call in strategy.ask(history.live, 6)[:3]:
        history.begin(call)
        land(history, random, bred)
    for call in strategy.ask(history.live, 6):
        history.begin(call)
    history.tell(Evaluated(node=3, value=0.5, usage=PAID))
    population = Population(3, None)
    population.read(history.live)
    assert population.read_up_to == 1
    history.tell(Evaluated(node=1, value=0.5, usage=PAID))
    history.tell(Failed(of="evaluate", nodes=(2,), usage=PAID))
    population.read(history.live)
    assert population.read_up_to == 4
    assert [island.programs for island in population.islands] == [1, 0, 1], "what could not be measured is no program"


def island(values: dict[int, tuple[float, int]]) -> Island:
    made = Island()
    for node, (value, length) in values.items():
        made.add(Program(node, value, (value,), length))
    return made


def test_good_clusters_and_short_programs_are_preferred() -> None:
    made = island({1: (10.0, 1), 2: (9.9, 1), 3: (9.5, 1)})
    rng, shown = Random(0), Counter[int]()
    for _ in range(4000):
        shown[made.pick(1, rng, start=0.1, period=1 << 60, normalise=False)[0]] += 1
    assert [shown[node] / 4000 for node in (1, 2, 3)] == pytest.approx([0.727, 0.268, 0.005], abs=0.03)
    one = Island()
    for node, length in ((1, 100), (2, 150), (3, 300)):
        one.add(Program(node, 0.5, (0.5,), length))
    shown.clear()
    for _ in range(4000):
        shown[one.pick(1, rng, start=0.1, period=100, normalise=True)[0]] += 1
    assert [shown[node] / 4000 for node in (1, 2, 3)] == pytest.approx([0.424, 0.359, 0.218], abs=0.03)


def test_where_all_score_alike_programs_of_one_cluster_are_shown() -> None:
    one = Island()
    for node in (1, 2, 3):
        one.add(Program(node, 0.5, (0.5,), 10))
    picked = {one.pick(2, Random(seed), start=0.1, period=100, normalise=True) for seed in range(40)}
    assert picked == {(1, 2), (1, 3), (2, 3)}
    assert one.pick(5, Random(0), start=0.1, period=100, normalise=True) == (1, 2, 3)


def test_the_best_of_an_island_is_the_older_of_equals() -> None:
    best = island({1: (0.2, 1), 2: (0.7, 5), 3: (0.7, 1)}).best
    assert best is not None
    assert best.node == 2


def test_labels() -> None:
    assert island_of(label(7), 3, 10) == 7
    assert island_of("island-12", 3, 10) == 2
    assert island_of("", 13, 10) == 3
    assert island_of("other", 4, 3) == 1
