from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.event_strategies import History, events, histories

from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.events import Event, from_row, to_row
from reflectree.rlm_ops.row_check import HIGHEST, check_row
from reflectree.rlm_ops.structure import fold


@given(events(st.integers(0, 99)))
def test_every_sound_event_passes(event: Event) -> None:
    row = to_row(event)
    assert check_row(row) is row


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": "1"},
        {"seq": True},
        {"index": -1},
        {"index": HIGHEST},
        {"node": None},
        {"node": 1.5},
        {"nodes": []},
        {"nodes": ["0"]},
        {"nodes": "00"},
        {"value": "high"},
        {"value": math.nan},
        {"prior": "likely"},
        {"text": 5},
        {"answer": ["a"]},
        {"question": "  "},
        {"usage": [1, 1, 1, 1, 1, 1]},
        {"usage": ["1"]},
        {"usage": {"calls": 1}},
        {"examples": [["q", "steps", "a"]]},
        {"blueprint": "mcts"},
        {"seed": 1.5},
        {"oracle": "no"},
    ],
)
def test_a_value_of_the_wrong_kind_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(TraceError, match=f"a damaged 'generate' event: {next(iter(wrong))} is "):
        check_row({"op": "generate", **wrong})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(histories(), st.data())
def test_whatever_a_damaged_row_holds_it_is_a_trace_error_or_folds(history: History, data: st.DataObject) -> None:
    rows: list[dict[str, Any]] = [to_row(event) for event in history.events]
    row = dict(data.draw(st.sampled_from(rows)))
    row[data.draw(st.sampled_from([*row, "usage", "index", "prior"]))] = data.draw(json_values)
    rows[rows[0]["seq"] if not isinstance(row.get("seq"), int) else min(abs(row["seq"]), len(rows) - 1)] = row
    try:
        fold(from_row(check_row(row)) for row in rows)
    except TraceError:
        return
