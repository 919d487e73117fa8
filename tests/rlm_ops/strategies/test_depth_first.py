from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tests.support.drive import drive
from tests.support.lettered import Play, World, word

from reflectree.rlm_ops.events import Backtracked, Pruned
from reflectree.rlm_ops.strategies.base import Limits
from reflectree.rlm_ops.strategies.depth_first import TreeOfThoughtsDFS

VALUES = {"a": 0.5, "b": 0.9, "ba": 0.2, "bb": 0.4, "bba": 0.1, "bbb": 0.25, "aa": 0.7, "ab": 0.6}


def dfs(**changes: Any) -> TreeOfThoughtsDFS:
    return TreeOfThoughtsDFS(**{"n_generate": 2, "depth": 3, **changes})


def steps(play: Play) -> list[str]:
    """Where the search went back and what it pruned, in words."""
    told = []
    for event in play.history.events:
        if isinstance(event, Backtracked):
            told.append(f"{word(play.live, event.node)} -> {word(play.live, event.to) or '-'}: {event.reason}")
        elif isinstance(event, Pruned):
            told += [f"{word(play.live, node)} x: {event.reason}" for node in event.nodes]
    return told


def test_the_best_child_first_and_back_with_a_reason() -> None:
    play = Play(dfs(), World(VALUES, answers=("aaa",))).run()
    assert play.asked("generate") == ["-", "-", "b", "b", "bb", "bb", "a", "a", "aa", "aa", "ab", "ab"]
    assert steps(play) == [
        "ba x: value 0.2 below 0.3",
        "bba x: value 0.1 below 0.3",
        "bbb x: value 0.25 below 0.3",
        "bb -> b: value 0.25 below 0.3",
        "b -> -: value 0.2 below 0.3",
        "aaa -> aa: it holds an answer",
        "aab -> aa: no answer in 3 steps",
        "aa -> a: no children left",
        "aba -> ab: no answer in 3 steps",
        "abb -> ab: no answer in 3 steps",
        "ab -> a: no children left",
        "a -> -: no children left",
    ]
    assert play.words("terminal") == {"aaa"}
    assert play.live.cursor == 0


def test_children_are_generated_and_evaluated_side_by_side() -> None:
    play = Play(dfs(), World(VALUES))
    play.ask()
    assert play.log == ["generate -", "generate -"]
    play.land()
    play.ask()
    assert play.log[2:] == ["evaluate a"]
    play.land()
    play.ask()
    assert play.log[3:] == ["evaluate b"]
    play.land()
    play.ask()
    assert play.log[4:] == []  # the search waits for both before it goes deep
    play.land()
    play.ask()
    assert play.log[4:] == ["generate b", "generate b"]


def test_without_a_threshold_nothing_is_pruned() -> None:
    play = Play(dfs(threshold=None), World(VALUES)).run()
    assert play.words("pruned") == set()
    assert len(play.live) - 1 == 2 + 4 + 8


def test_the_number_of_nodes_is_bounded() -> None:
    for most in (1, 2, 3, 6, 11):
        play = Play(dfs(threshold=None, most_nodes=most), World(VALUES, failing=("b", "bb"))).run()
        assert len(play.live) - 1 == min(most, 1 + 2 + 4)
        assert all(play.live.evaluations[node] for node in range(1, len(play.live)))


def test_a_search_that_is_full_ends_where_it_is() -> None:
    play = Play(dfs(threshold=None, most_nodes=4), World(VALUES)).run()
    assert steps(play) == []
    assert play.log[-4:] == ["generate b", "generate b", "evaluate ba", "evaluate bb"]


def test_an_answer_below_the_threshold_is_kept_as_an_answer() -> None:
    play = Play(dfs(depth=1), World({"a": 0.1, "b": 0.2}, answers=("a",))).run()
    assert play.words("terminal") == {"a"}
    assert steps(play) == ["b x: value 0.2 below 0.3", "a -> -: it holds an answer"]


def test_a_repeated_step_is_pruned_unscored() -> None:
    play = Play(dfs(depth=1), World(VALUES, same={"b": "a"})).run()
    assert play.asked("evaluate") == ["a"]
    assert steps(play)[0] == "a x: says the same as node 1"
    assert Play(dfs(depth=1, distinct=False), World(VALUES, same={"b": "a"})).run().asked("evaluate") == ["a", "a"]


def test_failures_do_not_hold_it_up() -> None:
    play = Play(dfs(), World(VALUES, failing=("ba", "bb", "aa"), unjudged=("ab",))).run()
    assert steps(play) == ["b -> -: no children left", "a -> -: no children left"]
    assert Play(dfs(), World(VALUES, failing=("a", "b"))).run().log == ["generate -", "generate -"]


def test_votes_wait_for_all_siblings_and_proposals_are_a_variant() -> None:
    strategy = dfs(generate="propose", evaluate="vote")
    assert list(strategy.variants()) == [("generate", "propose"), ("evaluate", "vote")]
    assert list(dfs().variants()) == []
    play = Play(strategy, World(VALUES))
    play.ask()
    play.land()
    play.ask()
    assert play.log == ["generate - propose"] * 2
    play.land()
    play.ask()
    assert play.log[2:] == ["evaluate a vote", "evaluate b vote"]


def test_the_root_may_be_wider() -> None:
    play = Play(dfs(root_width=4, depth=2, threshold=None), World(VALUES)).run()
    assert play.asked("generate").count("-") == 4
    assert dfs(root_width=4).limits() == Limits(2, 4, 3)
    assert TreeOfThoughtsDFS().limits() == Limits(5, 5, 10)


@pytest.mark.parametrize(
    "changes",
    [{}, {"threshold": None}, {"evaluate": "vote"}, {"most_nodes": 7}, {"distinct": False, "root_width": 5}],
    ids=repr,
)
def test_whatever_happens_it_ends(changes: dict[str, Any]) -> None:
    for seed in range(50):
        strategy = dfs(**changes)
        live = drive(strategy, Random(seed)).live
        assert max(live.depth) <= 3
        assert len(live) - 1 <= strategy.most_nodes


def test_the_order_of_arrival_does_not_matter() -> None:
    world = World(lambda said: Random(said).random(), answers=("ab", "ba"), failing=("bb",), unjudged=("aa",))
    told = set()
    for seed in range(10):
        play = Play(dfs(confidence=None), world, slots=1 + seed, order=Random(seed)).run()
        told.add((tuple(line for line in steps(play) if "->" in line), frozenset(play.words("pruned"))))
    assert len(told) == 1
