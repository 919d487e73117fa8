"""Selection scores at their edges; their golden numbers stand in `test_formulas.py`."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import scores as f


def test_uct() -> None:
    assert f.uct(0.25, 9, 4, c=2) == f.rstar_uct(0.25, 9, 4)
    assert f.uct(0.5, 10, 2, c=f.SQRT2) == pytest.approx(f.lats_uct(0.5, 10, 2))


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
    assert f.omegaprm_bonus(0, 0) == 0.0


@pytest.mark.parametrize(
    ("schedule", "first", "middle", "last"),
    [("const", 2.0, 2.0, 2.0), ("lin", 2.0, 1.1, 0.2), ("exp", 2.0, 2 / math.sqrt(10), 0.2)],
)
def test_the_weight_schedules_of_rstar(schedule: f.Schedule, first: float, middle: float, last: float) -> None:
    weights = [f.rstar_weight(rollout, 16, schedule=schedule) for rollout in (0, 8, 16)]
    assert weights == pytest.approx([first, middle, last])
    assert f.rstar_weight(99, 16, schedule=schedule) == pytest.approx(last)


def test_weight_schedules_that_cannot_be() -> None:
    with pytest.raises(BadInput, match="const, lin or exp"):
        f.rstar_weight(0, 16, schedule="cosine")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="at least one rollout"):
        f.rstar_weight(0, 0)


def test_aflow_mixes_with_the_uniform() -> None:
    assert f.aflow_mixture([]) == []
    assert f.aflow_mixture([0.5, 0.5]) == [0.5, 0.5]
    assert f.aflow_mixture([0.9, 0.1], uniform=1.0) == [0.5, 0.5]
    assert min(f.aflow_mixture([1.0, 0.0, 0.0])) == pytest.approx(0.1)


@given(st.floats(0, 1), st.integers(2, 10_000), st.integers(1, 10_000), st.floats(0.01, 1))
def test_visits_make_a_child_less_urgent(q: float, parent: int, visits: int, prior: float) -> None:
    assert f.uct(q, parent, visits + 1) < f.uct(q, parent, visits)
    assert f.puct(q, parent, visits + 1, prior) < f.puct(q, parent, visits, prior)
    assert f.x1_selection(q, parent, visits + 1) < f.x1_selection(q, parent, visits)
    assert f.omegaprm_bonus(parent, visits + 1) < f.omegaprm_bonus(parent, visits)
