from __future__ import annotations

from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Failed, Grown, Pruned
from reflectree.rlm_ops.operators.refine import is_spent, refine_problem, refined_after


def refined() -> History:
    """A step, another below it, and a refinement of the latter."""
    history = History(3, 3, 5)
    history.tell(Grown(nodes=(0,), text="a"))
    history.tell(Grown(nodes=(1,), text="b"))
    history.tell(Grown(op="refine", nodes=(2,), text="B", after=1))
    return history


def test_a_refinement_stands_in_the_place_of_what_it_refines_however_often() -> None:
    history = refined()
    assert refined_after(history.live, 2) == 1
    assert refined_after(history.live, 3) == 1
    history.tell(Grown(op="refine", nodes=(3,), text="BB", after=refined_after(history.live, 3)))
    assert history.live.path(4).text == "a\nBB"
    assert history.live.parents[4] == (3,)


def test_what_can_be_refined() -> None:
    live = refined().live
    assert refine_problem(live, Call("refine", (3,))) is None
    assert refine_problem(live, Call("refine", (0,))) == "the task itself cannot be refined"
    assert refine_problem(live, Call("refine", (9,))) == "there is no node 9"
    assert refine_problem(live, Call("refine", (1, 2))) == "refine takes one node"
    history = refined()
    history.tell(Pruned(nodes=(2,)))
    assert refine_problem(history.live, Call("refine", (2,))) == "node 2 is pruned: it is left alone"


def test_calls_are_counted_whether_they_grew_something_failed_or_are_in_flight() -> None:
    history = refined()
    assert is_spent(history.live, "refine", 1)
    assert not is_spent(history.live, "refine", 2)
    history.tell(Failed(of="refine", nodes=(3,), index=0))
    history.begin(Call("refine", (3,), 1))
    history.begin(Call("refine", (2,), 1))
    history.begin(Call("evaluate", (3,), 0))
    assert is_spent(history.live, "refine", 4)
    assert not is_spent(history.live, "refine", 5)
    history.live.cancel(Call("refine", (3,), 1))
    assert not is_spent(history.live, "refine", 4)
    assert is_spent(history.live, "refine", 3)
