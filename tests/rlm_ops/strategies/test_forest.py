"""A forest: trees are nested runs, and most of them agreeing is enough."""

from __future__ import annotations

from random import Random

import pytest
from tests.support.drive import drive, started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Failed, Grown
from reflectree.rlm_ops.strategies.forest import Forest


def test_each_tree_is_a_nested_run_of_its_own() -> None:
    history = started(Forest(trees=3))
    assert Forest(trees=3).ask(history.live, 8) == [Call("generate", (0,), index) for index in range(3)]
    assert {call.how for call in Forest(trees=3).ask(history.live, 8)} == {"tree"}


@pytest.mark.parametrize(
    ("answers", "stops"), [("aab", None), ("aaab", "consensus"), ("aa", None), ("aaa", "consensus")]
)
def test_more_than_half_of_all_trees_is_a_consensus(answers: str, stops: str | None) -> None:
    forest = Forest(trees=5)
    history = started(forest)
    for index, answer in enumerate(answers):
        history.tell(Grown(nodes=(0,), index=index, text=answer, status="terminal", answer=answer))
    assert forest.stop(history.live) == stops


def test_votes_count_answers_and_not_their_dress() -> None:
    forest = Forest(trees=3)
    history = started(forest)
    for index, answer in enumerate(("42", " 42.0")):
        history.tell(Grown(nodes=(0,), index=index, text="x", status="terminal", answer=answer))
    assert forest.stop(history.live) == "consensus"


def test_a_tie_is_judged_and_nothing_else() -> None:
    forest = Forest(trees=5)
    history = started(forest)
    for index, answer in enumerate("aabbc"):
        history.tell(Grown(nodes=(0,), index=index, text=answer, status="terminal", answer=answer))
    assert forest.ask(history.live, 8) == [Call("evaluate", (1,)), Call("evaluate", (3,))]


def test_a_tree_without_an_answer_has_no_vote() -> None:
    forest = Forest(trees=3, judge_ties=False)
    history = started(forest)
    history.tell(Failed(of="generate", nodes=(0,), index=0))
    history.tell(Failed(of="generate", nodes=(0,), index=1))
    history.tell(Grown(nodes=(0,), index=2, text="a", status="terminal", answer="a"))
    assert forest.ask(history.live, 8) == []
    assert forest.stop(history.live) is None


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    drive(Forest(trees=1 + seed % 6, judge_ties=bool(seed % 2), consensus=None if seed % 3 else 0.5), Random(seed))
