from __future__ import annotations

import time

import pytest
from tests.support.toy_world import WIN, ToyWorld, recorded, toy

from reflectree.graphs.embodied.verifier import EpisodeVerifier, end_message
from reflectree.rlm_ops.environment import Observation
from reflectree.rlm_ops.errors import VerifierError
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task, Verifier


@pytest.mark.parametrize(
    ("commands", "score"),
    [
        (WIN, 1.0),
        ((*WIN, "jump"), 1.0),
        (WIN[:2], 0.5),
        (("jump", *WIN), 0.0),
        (("burn book", "", " go north ", "dance", *WIN[1:]), 1.0),
        ((), 0.0),
    ],
)
def test_the_commands_are_replayed_in_a_fresh_environment(commands: tuple[str, ...], score: float) -> None:
    made, make = recorded()
    verifier = EpisodeVerifier(make)
    assert isinstance(verifier, Verifier)
    assert verifier.gold
    assert verifier.score("\n".join(commands)) == score
    assert "burn book" not in made[0].done_here
    assert made[0].closed


def test_one_that_cannot_say_says_so() -> None:
    with pytest.raises(VerifierError, match="the lamp went out"):
        EpisodeVerifier(toy).score("raise")
    with pytest.raises(VerifierError, match="a dict where an Observation belongs"):
        EpisodeVerifier(toy).score("babble")


def test_one_that_hangs_is_left_behind() -> None:
    begun = time.perf_counter()
    with pytest.raises(VerifierError, match=r"no score within 0\.05 s"):
        EpisodeVerifier(toy, seconds=0.05).score("hang")
    assert time.perf_counter() - begun < 30


def test_an_environment_without_a_score_cannot_say() -> None:
    class Scoreless(ToyWorld):
        def reset(self) -> Observation:
            return Observation("A hall.")

    with pytest.raises(VerifierError, match="has no score"):
        EpisodeVerifier(Scoreless).score("")


def test_the_end_message_is_read_and_what_the_model_wrote_is_not() -> None:
    won = end_message("You have won")
    task = Task("Win.")
    assert won(Path(task)) == 0.0
    assert won(Path(task, (Step("Thought: You have won!\nAction: jump\nObservation: You have lost."),))) == 0.0
    assert won(Path(task, (Step("Action: open door\nObservation: You open it.\n| YOU HAVE WON."),))) == 1.0
    assert won(Path(task, (Step("You have won"),))) == 0.0
