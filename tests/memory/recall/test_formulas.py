"""Golden numbers of recall's formulas, and what holds for all numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.memory.recall.credit import difference
from reflectree.memory.recall.formulas import (
    minmax,
    mmr,
    mmr_order,
    posterior_mean,
    probability_better,
    recency,
    wilson,
)
from reflectree.rlm_ops.errors import BadInput

counts = st.integers(0, 40).flatmap(lambda uses: st.tuples(st.integers(0, uses), st.just(uses)))


def exact(wins: int, uses: int, base_wins: int, base_uses: int) -> float:
    """The closed form for whole counts."""

    def beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    a, b, c, d = 1 + wins, 1 + uses - wins, 1 + base_wins, 1 + base_uses - base_wins
    return sum(math.exp(beta(c + i, b + d) - math.log(b + i) - beta(1 + i, b) - beta(c, d)) for i in range(a))


def test_golden_wilson_bounds() -> None:
    assert [round(wilson(*pair), 4) for pair in ((1, 1), (4, 5), (40, 50))] == [0.2065, 0.3755, 0.6696]


def test_golden_chance_of_being_better() -> None:
    assert probability_better(14, 20, 10, 20) == pytest.approx(0.896, abs=5e-4)
    assert probability_better(0, 0, 0, 0) == pytest.approx(0.5)
    assert posterior_mean(0, 0) == 0.5


@given(counts, counts)
def test_the_grid_is_the_closed_form_and_its_own_complement(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert probability_better(*one, *other) == pytest.approx(exact(*one, *other), abs=1e-4)
    assert probability_better(*one, *other) + probability_better(*other, *one) == pytest.approx(1.0)


def test_golden_time_weighting() -> None:
    assert recency(24, 0.01) == pytest.approx(0.785678, abs=1e-6)
    assert recency(168, 0.01) == pytest.approx(0.184805, abs=1e-6)


def test_golden_generative_agents() -> None:
    parts: list[list[float]] = [[recency(age, 0.005) for age in (1, 10, 100)], [2, 8, 5], [0.2, 0.5, 0.9]]
    sums = [sum(column) for column in zip(*map(minmax, parts), strict=True)]
    assert sums == pytest.approx([1.0, 2.315811, 1.5], abs=1e-6)


def test_golden_mmr() -> None:
    assert mmr(0.85, 0.95, 0.5) == pytest.approx(-0.05)
    assert mmr(0.5, 0.1, 0.5) == pytest.approx(0.2)
    likeness = {(0, 1): 0.95, (0, 2): 0.1, (1, 2): 0.1}
    order = mmr_order(
        [0.9, 0.85, 0.5], lambda one, other: likeness[min(one, other), max(one, other)], 0.5, lambda at: True
    )
    assert order == [0, 2, 1]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_without_diversity_the_order_is_that_of_the_scores(scores: list[float]) -> None:
    order = mmr_order(scores, lambda one, other: 1.0, 0.0, lambda at: True)
    assert [scores[at] for at in order] == sorted(scores, reverse=True)


@given(st.lists(st.floats(-1e6, 1e6), max_size=8))
def test_normalised_values_lie_between_0_and_1(values: list[float]) -> None:
    assert all(0.0 <= value <= 1.0 for value in minmax(values))


@given(counts, counts)
def test_a_lift_lies_in_its_interval_and_turns_with_its_sides(one: tuple[int, int], other: tuple[int, int]) -> None:
    there, back = difference(*one, *other), difference(*other, *one)
    assert -1.0 <= there.low <= there.estimate <= there.high <= 1.0
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_golden_newcombe() -> None:
    interval = difference(56, 70, 48, 80)  # Newcombe 1998, table II, (a), method 10
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_counts_that_cannot_be() -> None:
    with pytest.raises(BadInput):
        probability_better(3, 2, 0, 0)
    with pytest.raises(BadInput):
        recency(-1, 0.1)
