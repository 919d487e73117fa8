from __future__ import annotations

from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Backtracked, Evaluated, Grown
from reflectree.rlm_ops.operators.backtrack import backtrack, wants_backtrack


def test_an_evaluator_wants_to_go_back_from_what_is_below_the_threshold() -> None:
    history = History(3, 3, 3)
    for index in range(2):
        history.tell(Grown(nodes=(0,), index=index, text=f"step {index}"))
    history.tell(Evaluated(node=1, value=0.2))
    assert wants_backtrack(history.live, 1, 0.3) == "value 0.2 below 0.3"
    assert wants_backtrack(history.live, 1, 0.2) is None
    assert wants_backtrack(history.live, 2, 0.3) is None


def test_a_node_that_was_left_does_not_grow_any_more() -> None:
    history = History(3, 3, 3)
    history.tell(Grown(nodes=(0,), text="a"))
    history.tell(Evaluated(node=1, value=0.2))
    assert history.live.can_grow(1)
    (event,) = backtrack(history.live, Call("backtrack", (1,), reason="value 0.2 below 0.3"))
    assert event == Backtracked(node=1, to=0, reason="value 0.2 below 0.3")
    history.tell(event)
    assert not history.live.can_grow(1)
    assert history.live.cursor == 0
