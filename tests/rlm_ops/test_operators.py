from __future__ import annotations

from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import BackedUp, Backtracked, Evaluated, Grown, Pruned
from reflectree.rlm_ops.operators import PURE_OPERATORS, backpropagate, backtrack, prune


def grown() -> History:
    history = History(3, 3, 3)
    history.tell(Grown(nodes=(0,), text="a"))
    history.tell(Grown(nodes=(1,), text="b"))
    return history


def test_backpropagate_backs_up_each_value_once() -> None:
    history = grown()
    history.tell(Evaluated(node=2, value=0.25))
    history.tell(Evaluated(node=2, index=1, value=0.75))
    call = Call("backpropagate", (2,))
    events = backpropagate(history.live, call)
    assert events == [BackedUp(node=2, value=0.25), BackedUp(node=2, value=0.75)]
    for event in events:
        history.tell(event)
    assert history.live.visits == [2, 2, 2]
    assert history.live.mean(0) == 0.5
    assert backpropagate(history.live, call) == []


def test_prune_leaves_pruned_nodes_alone() -> None:
    history = grown()
    (event,) = prune(history.live, Call("prune", (1, 2), reason="weak"))
    assert event == Pruned(nodes=(1, 2), reason="weak")
    history.tell(Pruned(nodes=(1,)))
    assert prune(history.live, Call("prune", (1, 2))) == [Pruned(nodes=(2,))]
    assert prune(history.live, Call("prune", (1,))) == []


def test_backtrack_goes_to_the_named_node_or_the_parent() -> None:
    live = grown().live
    assert backtrack(live, Call("backtrack", (2, 0), reason="stuck")) == [Backtracked(node=2, to=0, reason="stuck")]
    assert backtrack(live, Call("backtrack", (2,))) == [Backtracked(node=2, to=1)]
    assert backtrack(live, Call("backtrack", (0,))) == [Backtracked(node=0, to=0)]


def test_every_registered_operator_is_pure() -> None:
    assert set(PURE_OPERATORS) <= PURE
