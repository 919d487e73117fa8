from __future__ import annotations

import pytest
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Grown, Pruned
from reflectree.rlm_ops.operators.aggregate import aggregate_problem, branches, common_after


def forked() -> History:
    """Task; a; below it b and c; d below c; e beside a; f a refinement of d."""
    history = History(3, 3, 5)
    for parent, text in ((0, "a"), (1, "b"), (1, "c"), (3, "d"), (0, "e")):
        index = history.live.next_index("generate", (parent,))
        history.tell(Grown(nodes=(parent,), index=index, text=text))
    history.tell(Grown(op="refine", nodes=(4,), text="f", after=3))
    return history


@pytest.mark.parametrize(
    ("nodes", "after", "texts"),
    [
        ((2, 3), 1, ["b", "c"]),
        ((2, 4), 1, ["b", "c\nd"]),
        ((4, 6), 3, ["d", "f"]),
        ((2, 4, 6), 1, ["b", "c\nd", "c\nf"]),
        ((1, 5), 0, ["a", "e"]),
        ((4, 5), 0, ["a\nc\nd", "e"]),
    ],
)
def test_a_merge_is_read_after_the_nearest_path_all_continue(
    nodes: tuple[int, ...], after: int, texts: list[str]
) -> None:
    live = forked().live
    assert aggregate_problem(live, Call("aggregate", nodes)) is None
    assert common_after(live, nodes) == after
    assert branches(live, nodes) == texts


def test_a_merge_of_a_merge_is_read_where_the_first_was() -> None:
    history = forked()
    history.tell(Grown(op="aggregate", nodes=(2, 3), text="bc", after=1))
    live = history.live
    assert live.path(7).text == "a\nbc"
    assert common_after(live, (7, 4)) == 1
    assert aggregate_problem(live, Call("aggregate", (7, 2))) is None, "its parent is not in its path"


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((2,), "at least two"),
        ((2, 2), "distinct"),
        ((0, 2), "the task itself"),
        ((2, 9), "no node 9"),
        ((1, 4), "node 4 contains node 1 already"),
        ((4, 3), "node 4 contains node 3 already"),
        ((5, 2), "node 5 is pruned"),
    ],
)
def test_what_cannot_be_merged(nodes: tuple[int, ...], said: str) -> None:
    history = forked()
    history.tell(Pruned(nodes=(5,)))
    assert said in str(aggregate_problem(history.live, Call("aggregate", nodes)))
