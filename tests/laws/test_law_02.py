"""Law 2: visits are conserved; virtual visits return to zero."""

from __future__ import annotations

from hypothesis import given, settings
from tests.support.brute_force import check_against_brute_force
from tests.support.event_strategies import History, histories

from reflectree.rlm_ops.structure import fold


@settings(max_examples=400)
@given(histories())
def test_every_index_is_what_a_recomputation_from_the_events_gives(history: History) -> None:
    check_against_brute_force(fold(history.events), history.events)
    check_against_brute_force(history.live, history.events)


@given(histories(land=False))
def test_virtual_visits_are_the_calls_in_flight_and_cancelling_them_leaves_nothing(history: History) -> None:
    live = history.live
    for node in range(len(live)):
        below = [call for call in history.flying if node in live.ancestors(call.nodes[0])]
        assert live.virtual[node] == len(below)
    assert live.calls_in_flight == len(history.flying)
    for call in history.flying:
        live.cancel(call)
        live.cancel(call)
    check_against_brute_force(live, history.events)
