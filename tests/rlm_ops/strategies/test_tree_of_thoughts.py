from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tests.support.drive import drive
from tests.support.lettered import Play, World

from reflectree.rlm_ops.strategies.base import Limits
from reflectree.rlm_ops.strategies.tree_of_thoughts import TreeOfThoughtsBFS

VALUES = {"a": 0.2, "b": 0.9, "c": 0.6, "ba": 0.3, "bb": 0.4, "bc": 0.1, "ca": 0.8, "cb": 0.05, "cc": 0.0}


def tot(**changes: Any) -> TreeOfThoughtsBFS:
    return TreeOfThoughtsBFS(**{"n_generate": 3, "n_select": 2, "depth": 3, **changes})


def any_value(said: str) -> float:
    return Random(said).random() * 0.98


def test_generate_evaluate_select_level_by_level() -> None:
    play = Play(tot(), World(VALUES)).run()
    assert play.log[:14] == [
        *["generate -"] * 3,
        *("evaluate a", "evaluate b", "evaluate c", "prune a"),
        *["generate b"] * 3,
        *["generate c"] * 3,
        "evaluate ba",
    ]
    assert play.asked("prune") == ["a", "ba bc cb cc"]
    assert play.asked("generate")[9:] == ["ca"] * 3 + ["bb"] * 3
    assert play.reasons == ["not among the best 2 of 3", "not among the best 2 of 6"]


def test_an_answer_takes_one_of_the_kept_places() -> None:
    play = Play(tot(), World(VALUES, answers=("b",))).run()
    assert play.asked("generate")[3:6] == ["c"] * 3
    assert play.asked("generate")[6:] == ["ca"] * 3


def test_proposals_votes_and_a_written_end_are_variants() -> None:
    strategy = tot(generate="propose", evaluate="vote", finish=True)
    assert list(strategy.variants()) == [("generate", "propose"), ("evaluate", "vote"), ("generate", "whole")]
    assert list(tot().variants()) == []
    play = Play(strategy, World(VALUES)).run()
    assert play.asked("generate")[:3] == ["- propose"] * 3
    assert play.asked("evaluate")[:3] == ["a vote", "b vote", "c vote"]
    assert play.asked("generate")[-1] == "bb whole"


def test_a_vote_waits_until_its_level_is_complete() -> None:
    play = Play(tot(evaluate="vote"), World(VALUES))
    play.ask()
    play.land(2)
    play.ask()
    assert play.asked("evaluate") == []
    play.land()
    play.ask()
    assert play.asked("evaluate") == ["a vote", "b vote", "c vote"]
    single = Play(tot(), World(VALUES))
    single.ask()
    single.land(2)
    single.ask()
    assert single.asked("evaluate") == ["a", "b"]


def test_a_state_is_evaluated_once() -> None:
    play = Play(tot(), World(VALUES, same={"b": "a", "c": "a"})).run()
    assert play.asked("evaluate")[0] == "a"
    assert play.asked("evaluate").count("a") == 1
    assert play.asked("prune")[:2] == ["a", "a"]
    assert Play(tot(distinct=False), World(VALUES, same={"b": "a"})).run().asked("evaluate").count("a") == 2


def test_states_may_be_drawn_in_proportion_to_their_value() -> None:
    def kept(seed: int, values: dict[str, float]) -> str:
        play = Play(tot(select="sample", n_generate=4, n_select=1, depth=2), World(values))
        began = play.live.began
        assert began is not None
        object.__setattr__(began, "seed", seed)
        return play.run().asked("generate")[-1]

    draws = [kept(seed, {"a": 0.6, "b": 0.3, "c": 0.1, "d": 0.0}) for seed in range(200)]
    assert set(draws) == {"a", "b", "c"}
    assert 90 <= draws.count("a") <= 150
    assert {kept(seed, dict.fromkeys("abcd", 0.0)) for seed in range(60)} == set("abcd")


def test_it_ends_when_nothing_is_left_to_grow() -> None:
    assert Play(tot(), World(VALUES, unjudged=("a", "b", "c"))).run().asked("generate") == ["-"] * 3
    assert Play(tot(), World(VALUES, failing=("a", "b", "c"))).run().log == ["generate -"] * 3


@pytest.mark.parametrize(
    "changes",
    [{}, {"select": "sample"}, {"evaluate": "vote", "generate": "propose"}, {"finish": True, "depth": 1}],
    ids=repr,
)
def test_whatever_happens_it_ends(changes: dict[str, Any]) -> None:
    for seed in range(50):
        assert max(drive(tot(**changes), Random(seed)).live.depth) <= 3


@pytest.mark.parametrize("changes", [{}, {"evaluate": "vote"}], ids=repr)
def test_the_order_of_arrival_does_not_matter(changes: dict[str, Any]) -> None:
    world = World(any_value, answers=("ab", "ba"), failing=("bb",), unjudged=("ca",), same={"ac": "b"})
    outcomes = set()
    for seed in range(10):
        play = Play(tot(**changes), world, slots=1 + seed, order=Random(seed)).run()
        outcomes.add((frozenset(play.words("terminal")), frozenset(play.words("open"))))
    assert len(outcomes) == 1


def test_its_limits() -> None:
    assert TreeOfThoughtsBFS().limits() == Limits(5, 5, 4)
