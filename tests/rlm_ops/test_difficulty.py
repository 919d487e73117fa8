from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops import difficulty as d
from reflectree.rlm_ops.errors import BadInput


def test_agreement_is_of_normalised_answers() -> None:
    assert d.agreement(["42", "42.0", " 42 ", "17"]) == 0.75
    assert d.agreement(["1"]) == 1.0
    assert d.agreement([]) == 0.0
    assert d.count_votes(["42", "42.0", "17"]).most_common() == [("42", 2), ("17", 1)]


def test_spread() -> None:
    assert d.spread([]) == d.spread([0.3]) == 0.0
    assert d.spread([0.0, 1.0]) == 0.5
    assert d.spread([0.2, 0.4, 0.6]) == pytest.approx(math.sqrt(0.08 / 3))


def test_four_equal_answers_settle_it() -> None:
    assert [d.has_settled(["7"] * n) for n in range(6)] == [False] * 4 + [True] * 2
    assert d.majority_confidence(["7"] * 4) == pytest.approx(31 / 32)
    assert not d.has_settled(["7"] * 4, least=5)
    assert not d.has_settled(["7"] * 4 + ["8"])
    assert d.has_settled(["7"] * 6 + ["8"])


def test_the_dirichlet_rule_stops_later() -> None:
    answers = ["a"] * 9 + ["b"] * 3 + ["c"] * 3
    assert d.has_settled(answers, 0.95, "beta")
    assert not d.has_settled(answers, 0.95, "dirichlet")
    assert d.majority_confidence(["a"] * 4, "dirichlet") == d.majority_confidence(["a"] * 4, "beta")
    with pytest.raises(BadInput, match="beta or dirichlet"):
        d.majority_confidence([], "entropy")  # type: ignore[arg-type]


def test_when_votes_cannot_change_any_more() -> None:
    assert d.can_still_change([], 1)
    assert not d.can_still_change([], 0)
    assert not d.can_still_change([1, 1], 0)
    assert d.can_still_change([3, 1], 2)  # they draw level, and a tie goes by value
    assert not d.can_still_change([4, 1], 2)
    assert d.can_still_change([2], 2)  # an answer not seen yet
    assert not d.can_still_change(d.count_votes(["a", "a", "a", "b"]).values(), 1)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 4))
def test_it_can_change_where_some_ballot_changes_it(votes: list[int], remaining: int) -> None:
    leader = max(range(len(votes)), key=votes.__getitem__)
    tallies = [
        [count + ballot.count(answer) for answer, count in enumerate([*votes, 0])]
        for ballot in itertools.product(range(len(votes) + 1), repeat=remaining)
    ]
    threatened = any(max(tally[:leader] + tally[leader + 1 :]) >= tally[leader] for tally in tallies)
    assert d.can_still_change(votes, remaining) == (threatened and remaining > 0)


@pytest.mark.parametrize(
    ("difficulty", "samples"), [(0.0, 1), (0.05, 1), (0.5, 5), (0.9, 29), (0.95, 32), (1.0, 32), (0.0500001, 2)]
)
def test_samples_for(difficulty: float, samples: int) -> None:
    assert d.samples_for(difficulty) == samples


def test_samples_for_within_bounds() -> None:
    assert d.samples_for(0.0, least=3) == 3
    assert d.samples_for(0.5, target=0.875) == 3  # whole, whatever the rounding of logarithms
    assert d.samples_for(0.99, most=8) == 8
    assert d.samples_for(0.5, target=0.0) == 1
    for wrong in ({"difficulty": 1.1}, {"difficulty": 0.5, "target": 1.0}, {"difficulty": 0.5, "least": 9, "most": 8}):
        with pytest.raises(BadInput):
            d.samples_for(**wrong)  # type: ignore[arg-type]


@given(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.5, 0.99))
def test_samples_reach_the_target(a: float, b: float, target: float) -> None:
    most = 1000
    easy, hard = sorted((a, b))
    assert d.samples_for(easy, target, most=most) <= d.samples_for(hard, target, most=most)
    assert 1 - hard ** d.samples_for(hard, target, most=most) >= target - 1e-6


def test_samples_go_where_they_help() -> None:
    assert d.allocate([0.0, 0.5, 1.0], 9) == [1, 7, 1]
    assert d.allocate([0.1, 0.5, 0.9], 12) == [2, 4, 6]  # gains .09 | .25 .125 .0625 | .09 .081 .073 .066 .059
    assert d.allocate([0.5, 0.5], 5) == [3, 2]
    assert d.allocate([0.5, 0.9], 20, most=4) == [4, 4]
    assert d.allocate([0.0, 1.0], 50) == [1, 1]
    assert d.allocate([0.0, 0.5], 3, least=0) == [1, 2]
    assert d.allocate([], 5) == []
    with pytest.raises(BadInput, match="raise the total"):
        d.allocate([0.5, 0.5], 1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3), st.integers(0, 6))
def test_no_other_allocation_succeeds_more_often(difficulties: list[float], extra: int) -> None:
    total = len(difficulties) + extra

    def successes(shares: tuple[int, ...] | list[int]) -> float:
        return sum(1 - q**n for q, n in zip(difficulties, shares, strict=True))

    shares = d.allocate(difficulties, total)
    assert sum(shares) <= total
    others = itertools.product(range(1, total + 1), repeat=len(difficulties))
    assert successes(shares) >= max(successes(other) for other in others if sum(other) <= total) - 1e-9
