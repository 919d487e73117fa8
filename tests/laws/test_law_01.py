"""Law 1: fold(a + b) == fold(fold(a), b); batching never matters; replay equals live."""

from __future__ import annotations

import copy
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.event_strategies import History, events, histories

from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.events import Event, Row, from_row, to_row
from reflectree.rlm_ops.structure import fold, tell
from reflectree.rlm_ops.trace import Trace, append


@given(histories(), st.data())
def test_a_fold_may_be_cut_anywhere(history: History, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(history.events)))
    assert fold(history.events[cut:], into=fold(history.events[:cut])) == fold(history.events)


@given(histories())
def test_replay_equals_live(history: History) -> None:
    assert fold(history.events) == history.live


@given(histories(land=False))
def test_calls_in_flight_are_no_part_of_what_the_trace_determines(history: History) -> None:
    assert fold(history.events) == history.live


@given(histories(), st.data())
def test_telling_twice_equals_telling_once(history: History, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(history.events)))
    once, twice = fold(history.events[:cut]), fold(history.events[:cut])
    tell(once, history.events)
    tell(twice, history.events[: cut // 2])
    tell(twice, history.events)
    tell(twice, history.events)
    assert once == twice


@given(events(st.integers(0, 99)))
def test_the_wire_form_round_trips(event: Event) -> None:
    row = to_row(event)
    assert from_row(row) == event
    assert from_row(json.loads(json.dumps(row))) == event
    assert to_row(from_row(row)) == row


@given(histories(), st.lists(st.integers(0, 40), max_size=5))
def test_batches_do_not_matter_to_the_reducer_and_nothing_is_changed_in_place(
    history: History, cuts: list[int]
) -> None:
    rows = [_unnumbered(to_row(event)) for event in history.events]
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    batches = [rows[start:end] for start, end in itertools.pairwise(bounds)]
    at_once = append(None, [rows])
    assert append([], batches) == at_once
    before = copy.deepcopy(rows)
    state: list[Row] = []
    for batch in batches:
        held = list(state)
        grown = append(state, [batch])
        assert state == held
        assert grown is not state
        state = grown
    assert state == at_once
    assert rows == before
    assert list(map(from_row, at_once)) == history.events


@given(histories(), st.data())
def test_gaps_and_duplicates_are_refused(history: History, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(history.events) - 1))
    doubled = [*history.events[: at + 1], *history.events[at:]]
    with pytest.raises(TraceError):
        fold(doubled)
    if at < len(history.events) - 1:
        with pytest.raises(TraceError):
            fold([*history.events[:at], *history.events[at + 1 :]])
    assert Trace(doubled).verify()


def _unnumbered(row: Row) -> Row:
    row = {name: value for name, value in row.items() if name != "seq"}
    if row["op"] in ("generate", "refine", "aggregate", "restructure"):
        row.pop("node", None)
    return row
