"""The choices of program search: the schedule, the clusters, the lengths and the resets of FunSearch's release."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.evolution import (
    cluster_chances,
    cluster_temperature,
    draw_distinct,
    in_unit,
    islands_to_reset,
    length_chances,
)


@pytest.mark.parametrize(("programs", "expected"), [(0, 0.1), (15_000, 0.05), (29_999, 3.33e-6), (30_000, 0.1)])
def test_the_temperature_falls_and_starts_again(programs: int, expected: float) -> None:
    assert cluster_temperature(programs) == pytest.approx(expected, rel=2e-3)


def test_the_cluster_pick_of_the_release() -> None:
    assert cluster_chances([10, 9.9, 9.5], 0.1) == pytest.approx([0.727475, 0.267623, 0.004902], abs=1e-6)


def test_the_length_pick_of_the_release() -> None:
    assert length_chances([100, 150, 300]) == pytest.approx([0.423747, 0.358694, 0.217559], abs=1e-6)


def test_a_cold_choice_is_the_best_and_does_not_overflow() -> None:
    assert cluster_chances([0.2, 0.9, 0.899], cluster_temperature(29_999)) == pytest.approx([0, 1, 0])
    assert cluster_chances([1e308, -1e308], 1e-9) == [1.0, 0.0]


def test_programs_of_no_length_and_of_one_length_are_alike() -> None:
    assert length_chances([0, 0]) == [0.5, 0.5]
    assert length_chances([7, 7, 7, 7]) == [0.25] * 4
    assert length_chances([]) == []


def test_scores_in_the_unit_interval() -> None:
    assert in_unit([2.0, 4.0, 3.0]) == [0.0, 1.0, 0.5]
    assert in_unit([0.3, 0.3]) == [1.0, 1.0]
    assert in_unit([]) == []


def test_a_draw_is_of_distinct_options_by_chance() -> None:
    rng = Random(0)
    firsts: Counter[int] = Counter()
    for _ in range(4000):
        drawn = draw_distinct([0.7, 0.2, 0.1], 2, rng)
        assert len(set(drawn)) == 2
        firsts[drawn[0]] += 1
    assert firsts[0] / 4000 == pytest.approx(0.7, abs=0.03)
    assert draw_distinct([1.0, 0.0, 0.0], 3, rng) == [0, 1, 2], "what has no chance comes last, in order"
    assert draw_distinct([0.5, 0.5], 5, rng) in ([0, 1], [1, 0])
    assert draw_distinct([], 2, rng) == []


def test_the_worse_half_of_the_islands_begins_anew() -> None:
    worse, better = islands_to_reset([0.5, 0.1, -math.inf, 0.9, 0.3], Random(0))
    assert worse == [2, 1]
    assert better == [4, 0, 3]


def test_ties_between_islands_are_broken_by_chance() -> None:
    chosen = Counter(islands_to_reset([0.5, 0.5], Random(seed))[0][0] for seed in range(200))
    assert 60 < chosen[0] < 140


def test_a_single_island_is_never_reset() -> None:
    assert islands_to_reset([0.1], Random(0)) == ([], [0])


def test_what_cannot_be_a_temperature_is_refused() -> None:
    with pytest.raises(BadInput, match="above 0"):
        cluster_chances([1.0], 0.0)
    with pytest.raises(BadInput, match="above 0"):
        length_chances([1], -1.0)
    with pytest.raises(BadInput, match="at least 1 program"):
        cluster_temperature(3, period=0)
