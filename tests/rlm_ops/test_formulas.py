"""The golden numbers, and what each formula does at its edges."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops import formulas as f
from reflectree.rlm_ops.errors import BadInput


def golden(value: float) -> object:
    return pytest.approx(value, abs=5.1e-7, rel=0)


def test_puct_of_alphazero_and_openr() -> None:
    assert f.puct(0.5, 10, 2, 0.3, 1.25, 19652) == golden(0.895462)


def test_x1_selection() -> None:
    assert f.x1_selection(0.2, 5, 1) == golden(1.850254)
    assert f.x1_selection(-0.1, 5, 3) == golden(1.075127)


def test_x1_backup() -> None:
    assert f.x1_backup(0.7, [1, 3], [0.2, -0.1]) == golden(-0.024)


def test_length_normalised_prior_of_openr() -> None:
    assert f.length_normalised_prior([-6.0, -2.0], [4, 2]) == [golden(0.377541), golden(0.622459)]


def test_rest_mcts_uct() -> None:
    assert f.rest_mcts_uct(0.6, 8, 3) == golden(1.424187)


def test_rest_mcts_process_labels() -> None:
    assert f.rest_process_labels([3, 2, 1], [True] * 3) == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert f.rest_process_value(1 / 3, 3, False) == golden(0.111111)


def test_rstar_math() -> None:
    assert f.rstar_uct(0.25, 9, 4) == golden(1.732304)


def test_lats() -> None:
    assert f.lats_uct(0.5, 10, 2) == golden(2.017427)


def test_mctsr() -> None:
    value = f.mctsr_value([-10, 40, 50])
    assert value == golden(8.333333)
    assert f.mctsr_ucb(value, 5, 3) == golden(9.415282)


def test_marco_o1_confidence() -> None:
    assert f.token_confidence(-0.1, [-0.1, -2.5, -4, -5, -6]) == golden(0.891945)


@pytest.mark.parametrize(("how", "value"), [("last", 0.8), ("min", 0.5), ("prod", 0.36), ("mean", 0.733333)])
def test_aggregation(how: f.Aggregation, value: float) -> None:
    assert f.aggregate_steps([0.9, 0.5, 0.8], how) == golden(value)


def test_uct() -> None:
    assert f.uct(0.25, 9, 4, c=2) == f.rstar_uct(0.25, 9, 4)
    assert f.uct(0.5, 10, 2, c=math.sqrt(2)) == golden(2.017427)


def test_unvisited_children() -> None:
    assert f.uct(0.5, 10, 0) == math.inf
    assert f.uct(0.5, 10, 0, unvisited=7.0) == 7.0
    assert f.rstar_uct(0.5, 10, 0) == 0.0
    assert f.rest_mcts_uct(0.5, 10, 0) == 1.5
    assert f.lats_uct(0.5, 10, 0) == 0.5
    assert math.isfinite(f.mctsr_ucb(0.5, 10, 0))
    assert f.puct(0.0, 4, 0, 0.5) == pytest.approx(1.25025 + math.log(1), abs=1e-3)


def test_unvisited_parents_explore_nothing() -> None:
    assert f.uct(0.5, 0, 3) == f.uct(0.5, 1, 3) == 0.5
    assert f.rest_mcts_uct(0.5, 0, 3) == f.lats_uct(0.5, 0, 3) == f.rstar_uct(0.5, 0, 3) == 0.5
    assert f.puct(0.5, 0, 0, 1.0) == 0.5
    assert f.mctsr_ucb(0.5, 0, 3) == 0.5
    assert f.x1_selection(0.0, 0, 0) == f.x1_selection(0.0, 1, 0) == 0.5
    assert f.x1_selection(0.3, 1, 0, low=0.0, high=0.0) == 0.0


def test_a_backup_without_visited_children_keeps_the_value() -> None:
    assert f.x1_backup(0.7, [], []) == 0.7
    assert f.x1_backup(0.7, [0, 0], [1.0, 1.0]) == 0.7
    assert f.x1_backup(0.5, [1], [1.0], gamma=1.0, rate=0.5) == 0.75


def test_priors_at_their_edges() -> None:
    assert f.length_normalised_prior([], []) == []
    assert f.length_normalised_prior([-math.inf, -math.inf], [3, 3]) == [0.5, 0.5]
    assert f.length_normalised_prior([-math.inf, -1.0], [3, 3]) == [0.0, 1.0]
    assert f.length_normalised_prior([0.0, 0.0], [0, 5]) == [0.5, 0.5]
    with pytest.raises(ValueError, match="zip"):
        f.length_normalised_prior([-1.0], [1, 2])


def test_confidence_at_its_edges() -> None:
    assert f.token_confidence(-3.0, []) == 1.0
    assert f.token_confidence(-math.inf, [-math.inf]) == 0.0
    assert f.token_confidence(-math.inf, [-1.0]) == 0.0
    assert f.token_confidence(-0.1, [-5.0]) == 1.0
    assert f.token_confidence(-1000.0, [-1000.0, -1000.0]) == 0.5
    assert f.mean_confidence([]) == 0.0
    assert f.mean_confidence([0.5, 1.0]) == 0.75


def test_nothing_to_aggregate_is_an_error() -> None:
    with pytest.raises(BadInput, match="without scored steps"):
        f.aggregate_steps([])
    with pytest.raises(BadInput, match="last, min, prod or mean"):
        f.aggregate_steps([1.0], "median")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="at least one reward"):
        f.mctsr_value([])
    with pytest.raises(BadInput, match="at least 1"):
        f.rest_process_value(0.0, 0, True)


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=8))
def test_a_softmax_is_a_distribution(scores: list[float]) -> None:
    weights = f.softmax(scores)
    assert sum(weights) == pytest.approx(1.0)
    assert max(range(len(scores)), key=weights.__getitem__) == weights.index(weights[scores.index(max(scores))])


@given(st.floats(0, 1), st.integers(2, 10_000), st.integers(1, 10_000), st.floats(0.01, 1))
def test_visits_make_a_child_less_urgent(q: float, parent: int, visits: int, prior: float) -> None:
    assert f.uct(q, parent, visits + 1) < f.uct(q, parent, visits)
    assert f.puct(q, parent, visits + 1, prior) < f.puct(q, parent, visits, prior)
    assert f.x1_selection(q, parent, visits + 1) < f.x1_selection(q, parent, visits)


@given(st.floats(0, 1), st.integers(1, 20), st.booleans())
def test_process_labels_stay_in_the_unit_interval(value: float, steps: int, correct: bool) -> None:
    assert 0.0 <= f.rest_process_value(value, steps, correct) <= 1.0
