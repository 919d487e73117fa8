from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Backtracked, Evaluated, Failed, Grown, Pruned
from reflectree.rlm_ops.operators.prune import below, beyond_rank, dead, duplicates, normalised, prune


def grown(*texts: str, width: int = 8, depth: int = 3) -> History:
    """The texts as children of the root."""
    history = History(width, width, depth)
    for index, text in enumerate(texts):
        history.tell(Grown(nodes=(0,), index=index, text=text))
    return history


def valued(*values: float | None) -> History:
    history = grown(*(f"step {index}" for index in range(len(values))))
    for node, value in enumerate(values, 1):
        if value is not None:
            history.tell(Evaluated(node=node, value=value))
    return history


def test_below_names_the_weak_and_not_the_unknown() -> None:
    live = valued(0.2, None, 0.3, 0.29).live
    assert below(live, [1, 2, 3, 4], 0.3) == [1, 4]
    assert below(live, [], 0.3) == []


def test_beyond_rank_names_all_but_the_best() -> None:
    live = valued(0.2, None, 0.9, 0.9, 0.5).live
    assert beyond_rank(live, [1, 2, 3, 4, 5], 1) == [4, 5, 1, 2]
    assert beyond_rank(live, [1, 2, 3, 4, 5], 9) == []
    assert beyond_rank(live, [1, 3], 0) == [3, 1]
    assert beyond_rank(live, [1, 2, 3], 1, {1: 0.7, 3: 0.1}) == [3, 2]


def test_what_is_named_can_be_pruned() -> None:
    history = valued(0.2, 0.8, 0.4)
    call = Call("prune", tuple(beyond_rank(history.live, [1, 2, 3], 1)), reason="beyond rank 1")
    assert prune(history.live, call) == [Pruned(nodes=(3, 1), reason="beyond rank 1")]


def test_duplicates_by_text_are_of_the_whole_path() -> None:
    history = grown("Add 2", "add  2\n", "add 3")
    for parent in (1, 3):
        history.tell(Grown(nodes=(parent,), text="done"))
    assert duplicates(history.live, [3, 2, 1]) == [2]
    assert duplicates(history.live, [4, 5]) == []
    assert normalised(" Add\t2 \n") == "add 2"


def test_duplicates_by_meaning_are_close_to_one_that_stays() -> None:
    vectors = {"a": [1.0, 0.0], "b": [0.96, 0.28], "c": [0.8, 0.6], "d": [0.0, 0.0], "e": [-2.0, 0.0]}

    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [vectors[text] for text in texts]

    live = grown(*vectors).live
    # b repeats a (cosine .96); c is near b (.936) and not near a (.8), so it stays at any threshold above that
    assert duplicates(live, range(1, 6), "embedding", embed) == [2]
    assert duplicates(live, range(1, 6), "embedding", embed, threshold=0.9) == [2]
    assert duplicates(live, range(1, 6), "embedding", embed, threshold=0.8) == [2, 3]
    assert duplicates(live, [], "embedding", embed) == []


def test_an_embedding_must_be_one_vector_a_text() -> None:
    live = grown("a", "b").live
    with pytest.raises(BadInput, match="embed="):
        duplicates(live, [1, 2], "embedding")
    with pytest.raises(BadInput, match="one vector each"):
        duplicates(live, [1, 2], "embedding", lambda texts: [[1.0]])


def test_a_subtree_is_dead_when_nothing_can_grow_and_no_answer_is_there() -> None:
    history = grown("a", width=2, depth=2)
    live = history.live
    assert not dead(live, 1)  # it waits for its value
    history.tell(Evaluated(node=1, value=0.5))
    assert not dead(live, 1)  # it can grow
    history.begin(Call("generate", (1,), 0))
    history.begin(Call("generate", (1,), 1))
    assert not dead(live, 1)  # calls are in flight
    history.tell(Failed(of="generate", nodes=(1,), index=0))
    history.tell(Failed(of="generate", nodes=(1,), index=1))
    assert dead(live, 1)


def test_an_answer_keeps_a_subtree_alive_and_leaving_it_does_not() -> None:
    history = grown("a", "b", width=2, depth=2)
    for node in (1, 2):
        history.tell(Evaluated(node=node, value=0.5))
    history.tell(Backtracked(node=1, to=0))
    assert dead(history.live, 1)
    history.tell(Grown(nodes=(2,), text="Answer: 1", answer="1", status="terminal"))
    history.tell(Evaluated(node=3, value=0.5))
    history.tell(Backtracked(node=2, to=0))
    assert not dead(history.live, 2)
    history.tell(Pruned(nodes=(3,)))
    assert dead(history.live, 2)
    assert dead(history.live, 0)  # both of its children are left, and it can have no more
