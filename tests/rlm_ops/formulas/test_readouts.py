from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import readouts as f


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


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_progress_adds_up(values: list[float]) -> None:
    assert len(f.progress(values)) == len(values) - 1
    assert sum(f.progress(values)) == pytest.approx(values[-1] - values[0])


@given(st.floats(0, 1), st.integers(1, 20), st.booleans())
def test_process_labels_stay_in_the_unit_interval(value: float, steps: int, correct: bool) -> None:
    assert 0.0 <= f.rest_process_value(value, steps, correct) <= 1.0
