from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import ranking as f

A, B, C, D = range(4)
RING = {(A, B): 0.9, (B, C): 0.8, (C, A): 0.6, (A, D): 0.95, (B, D): 0.95, (C, D): 0.95}


def test_a_ring_is_ordered_by_the_sum_of_preferences() -> None:
    preferences = f.preference_matrix(range(4), RING)
    assert (preferences >= 0.5).sum(axis=1).tolist() == [2, 2, 2, 0]
    ranking = f.ebc(preferences)
    assert ranking.wins == (3, 3, 3, 0)
    assert ranking.support == pytest.approx((2.25, 1.85, 1.75, 0.15))
    assert ranking.order == (A, B, C, D)
    assert ranking.ranks == (1, 2, 3, 4)


def test_the_paper_s_rule_decides_where_it_can() -> None:
    # equal to C by the threshold, A and B make one ring; only A against B is strict, and it counts before the sum of P
    ranking = f.ebc(f.preference_matrix(range(3), {(A, B): 0.55, (B, C): 0.5, (C, A): 0.5}))
    assert ranking.wins == (2, 2, 2)
    assert ranking.order[0] == A
    matrix = [[0.0, 0.6, 0.5, 0.5], [0.4, 0.0, 0.9, 0.9], [0.5, 0.1, 0.0, 0.5], [0.5, 0.1, 0.5, 0.0]]
    ranking = f.ebc(matrix)
    assert len(set(ranking.wins)) == 1
    assert ranking.support[B] > ranking.support[A]
    assert ranking.order == (A, B, C, D)


def test_the_last_resort_is_the_lower_id() -> None:
    assert f.ebc(np.full((3, 3), 0.5)).order == (0, 1, 2)
    assert f.ebc(np.full((3, 3), np.nan)).order == (0, 1, 2)


def test_what_is_unknown_wins_nothing() -> None:
    ranking = f.ebc(f.preference_matrix(range(3), {(2, 0): 0.7}))
    assert ranking.wins == (0, 0, 1)
    assert ranking.order == (2, 0, 1)
    assert ranking.support == pytest.approx((0.3, 0.0, 0.7))


def test_a_chain_is_closed() -> None:
    ranking = f.ebc(f.preference_matrix(range(4), {(3, 2): 0.6, (2, 1): 0.6, (1, 0): 0.6}))
    assert ranking.wins == (0, 1, 2, 3)
    assert ranking.order == (3, 2, 1, 0)


def test_few_and_none() -> None:
    assert f.ebc([]).order == ()
    assert f.ebc([[0.5]]) == f.Ranking((0,), (1,), (0,), (0.0,))
    with pytest.raises(BadInput, match="square"):
        f.ebc([[0.5, 0.5]])


def test_a_higher_threshold_makes_fewer_wins() -> None:
    assert f.ebc(f.preference_matrix(range(4), RING), threshold=0.7).wins == (3, 2, 1, 0)


@st.composite
def judgements(draw: st.DrawFn) -> tuple[int, dict[tuple[int, int], float]]:
    n = draw(st.integers(1, 6))
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    chances = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
    return n, draw(st.dictionaries(st.sampled_from(pairs), chances)) if pairs else {}


@given(judgements())
def test_every_ranking_is_a_total_order(case: tuple[int, dict[tuple[int, int], float]]) -> None:
    n, judged = case
    ranking = f.ebc(f.preference_matrix(range(n), judged))
    assert sorted(ranking.order) == list(range(n))
    assert [ranking.ranks[node] for node in ranking.order] == list(range(1, n + 1))
    assert [ranking.wins[node] for node in ranking.order] == sorted(ranking.wins, reverse=True)


@given(judgements())
def test_names_do_not_matter_where_the_order_is_decided(case: tuple[int, dict[tuple[int, int], float]]) -> None:
    n, judged = case
    there = f.ebc(f.preference_matrix(range(n), judged))
    back = f.ebc(f.preference_matrix(range(n - 1, -1, -1), judged))
    assert there.wins == back.wins[::-1]
    for node in range(n):
        for other in range(node):
            if there.wins[node] > there.wins[other]:
                assert there.ranks[node] < there.ranks[other]
                assert back.ranks[n - 1 - node] < back.ranks[n - 1 - other]


def test_closure() -> None:
    wins = [[False, True, False], [False, False, True], [False, False, False]]
    assert f.closure(wins).tolist() == [[False, True, True], [False, False, True], [False, False, False]]


def test_position_bias_cancels() -> None:
    assert f.cancel_position_bias(0.8, 0.4) == pytest.approx(0.7)
    assert f.cancel_position_bias(0.9, 0.9) == pytest.approx(0.5)  # a judge that likes whatever comes first
    matrix = f.preference_matrix([7, 3], {(7, 3): 0.8, (3, 7): 0.4, (7, 9): 1.0, (7, 7): 1.0})
    assert matrix == pytest.approx(np.array([[0.0, 0.7], [0.3, 0.0]]))


def test_quantiles() -> None:
    assert [f.global_quantile(rank, 5) for rank in (1, 2, 5)] == [1.0, 0.75, 0.0]
    assert f.global_quantile(1, 1) == 1.0
    for rank, n in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(BadInput, match="cannot be"):
            f.global_quantile(rank, n)


def test_local_preferences() -> None:
    preferences = f.preference_matrix(range(4), {(0, 1): 0.9, (0, 2): 0.3})
    assert f.local_preference(preferences, 0, [1, 2, 3, 0]) == pytest.approx(0.6)
    assert f.local_preference(preferences, 0, [3]) == 0.5
    assert f.local_preference(preferences, 0, []) == 0.5


def test_the_value_is_a_mixture() -> None:
    assert f.berry_value(1.0, 0.0, alpha=0.25) == 0.25
