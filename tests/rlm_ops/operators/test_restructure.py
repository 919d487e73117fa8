"""restructure: tree to chain and back, a chain to a tree at a step, a subtree into one node."""

from __future__ import annotations

from random import Random

import pytest
from tests.support.drive import apply_pure, drive, good_outcome
from tests.support.event_strategies import History

from reflectree.rlm_ops.answers import extract_answer
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import BackedUp, Evaluated, Grown, Pruned, from_row
from reflectree.rlm_ops.operators.linearise import Visited, journey, told, visited
from reflectree.rlm_ops.operators.restructure import restructure
from reflectree.rlm_ops.strategies import MCTS
from reflectree.rlm_ops.structure import fold


def grow(history: History, parent: int, text: str, value: float, answer: str | None = None) -> int:
    live = history.live
    node = len(live)
    status = "open" if answer is None else "terminal"
    index = live.next_index("generate", (parent,))
    history.tell(Grown(nodes=(parent,), index=index, text=text, status=status, answer=answer))  # type: ignore[arg-type]
    history.tell(Evaluated(node=node, value=value, note=f"worth {value}"))
    history.tell(BackedUp(node=node, value=value))
    return node


@pytest.fixture
def tree() -> History:
    """Two wrong turns at the first step, one at the second, and the answer."""
    history = History(width=4, root_width=4, depth=5)
    first = grow(history, 0, "guess", 0.1)
    grow(history, first, "Answer: 41", 0.0, "41")
    grow(history, 0, "give up", 0.2)
    good = grow(history, 0, "6 * 7", 0.8)
    grow(history, good, "is 43?", 0.3)
    grow(history, good, "Answer: 42", 0.9, "42")
    return history


ANSWER = 6


def test_the_best_path_is_the_shortcut(tree: History) -> None:
    assert told(journey(tree.live, ANSWER, failures=0)) == "6 * 7\nAnswer: 42"


def test_a_journey_shows_wrong_turns_and_why_it_goes_back(tree: History) -> None:
    text = told(journey(tree.live, ANSWER, failures=1))
    assert text.split("\n") == [
        "guess",
        "candidate: 41",
        "Wrong, because it is worth only 0.00. Go back.",
        "6 * 7",
        "is 43?",
        "Wrong, because it is worth only 0.30. Go back.",
        "Answer: 42",
    ]


@pytest.mark.parametrize("failures", [0, 1, 2, 5])
def test_a_journey_states_the_answer_of_its_path_and_no_other(tree: History, failures: int) -> None:
    assert extract_answer(told(journey(tree.live, ANSWER, failures))) == "42"


def test_a_repetition_of_the_right_step_is_not_told_as_wrong(tree: History) -> None:
    again = grow(tree, 4, "answer: 42", 0.1, "42")
    tree.tell(Pruned(nodes=(again,), reason="repeats a sibling"))
    assert told(journey(tree.live, ANSWER, failures=3)).count("42") == 1


def test_a_journey_can_be_walked_back_to_its_tree(tree: History) -> None:
    assert visited(journey(tree.live, ANSWER, failures=2)) == [
        Visited(1, [Visited(2)]),
        Visited(3),
        Visited(4, [Visited(5), Visited(6)]),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_every_journey_of_a_search_walks_its_own_tree(seed: int) -> None:
    live = drive(MCTS(width=2, root_width=3, depth=3, confidence=None), Random(seed), outcome=good_outcome).live
    for node in live.terminals:
        moments = journey(live, node, failures=2)
        shown = [moment.node for moment in moments if moment.back is None]
        assert len(shown) == len(set(shown)), "no step is taken twice"
        flat = _flatten(visited(moments), 0)
        assert all(live.parents[step][0] == parent for step, parent in flat)
        assert [step for step, _ in flat] == shown
        assert shown[-1] == node


def _flatten(entries: list[Visited], parent: int) -> list[tuple[int, int]]:
    return [pair for entry in entries for pair in ((entry.node, parent), *_flatten(entry.below, entry.node))]


def test_the_chain_in_the_structure_reads_as_the_journey(tree: History) -> None:
    apply_pure(tree, [Call("restructure", (ANSWER,), how="journey:1")])
    live = tree.live
    assert live.path(len(live) - 1).text == told(journey(live, ANSWER, 1))
    assert live.steps[-1].answer == "42"
    assert live.parents[7] == (ANSWER,)
    assert fold(tree.events) == live


def test_a_solution_is_split_into_steps_one_can_branch_at() -> None:
    history = History(width=2, root_width=2, depth=9)
    whole = grow(history, 0, "6 * 7\n\n= 42\nAnswer: 42", 0.5, "42")
    apply_pure(history, [Call("restructure", (whole,), how="split")])
    live = history.live
    assert [live.path(node).text for node in (2, 3, 4)] == ["6 * 7", "6 * 7\n= 42", "6 * 7\n= 42\nAnswer: 42"]
    assert [live.steps[node].status for node in (2, 3, 4)] == ["open", "open", "terminal"]


def test_a_chain_becomes_a_tree_at_a_step() -> None:
    history = History(width=2, root_width=2, depth=9)
    whole = grow(history, 0, "6 * 7\n= 43\nAnswer: 43", 0.1, "43")
    apply_pure(history, [Call("restructure", (whole,), how="branch:1")])
    live = history.live
    assert live.path(2).text == "6 * 7"
    assert live.steps[2].status == "open"
    other = grow(history, 2, "= 42\nAnswer: 42", 0.9, "42")
    assert live.path(other).text == "6 * 7\n= 42\nAnswer: 42"


@pytest.mark.parametrize("how", ["branch:0", "branch:3", "branch:x", "sideways"])
def test_what_cannot_be_done_is_refused(how: str) -> None:
    history = History(width=2, root_width=2, depth=9)
    whole = grow(history, 0, "6 * 7\n= 42\nAnswer: 42", 0.1, "42")
    with pytest.raises(BadInput):
        restructure(history.live, Call("restructure", (whole,), how=how))


def test_a_subtree_collapses_into_a_node_that_holds_it_as_a_run(tree: History) -> None:
    apply_pure(tree, [Call("restructure", (4,), how="collapse")])
    live = tree.live
    node = 7
    assert live.path(node).text == "6 * 7\nAnswer: 42"
    assert live.steps[node].answer == "42"
    assert live.runs[node] == "collapsed-4-0"
    assert [live.steps[child].status for child in (5, 6)] == ["pruned", "pruned"]
    inner = fold(map(from_row, live.traces[node]))
    assert [step.text for step in inner.steps[1:]] == ["is 43?", "Answer: 42"]
    assert inner.answered is not None
    assert inner.answered.answer == "42"
    assert isinstance(tree.events[-1], Pruned)


def test_hidden_thought_becomes_steps() -> None:
    history = History(width=2, root_width=2, depth=9)
    thought = "First, 6 * 7 is 43.\n\nWait, 6 * 7 is 42."
    history.tell(Grown(nodes=(0,), text="Answer: 42", status="terminal", answer="42", note=thought))
    apply_pure(history, [Call("restructure", (1,), how="thought")])
    assert history.live.path(3).text == "First, 6 * 7 is 43.\nWait, 6 * 7 is 42."
