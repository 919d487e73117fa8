"""A real process behind each of these: started, spoken to, killed."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.support.toy_world import WIN

from reflectree.agents.instances import WorldError
from reflectree.agents.tool_calls import in_thread
from reflectree.agents.worlds import Worlds
from reflectree.graphs.embodied.isolated import Isolated, IsolatedError
from reflectree.rlm_ops.environment import Environment, Observation
from reflectree.rlm_ops.task import Task

SPEC = "tests.support.toy_world:toy"


@pytest.fixture
def world() -> Iterator[Isolated]:
    isolated = Isolated(SPEC)
    yield isolated
    isolated.close()


def test_it_is_the_environment_it_stands_for(world: Isolated) -> None:
    assert isinstance(world, Environment)
    assert (world.name, world.task) == ("toy-world/key", Task("Open the door of the hall.", id="toy-world/key"))
    assert world.reset() == Observation("You are in the hall.", False, ("go north", "jump"), 0.0)
    world.step("go north")
    kept = world.snapshot()
    assert "key" in world.step("take key").text
    assert world.refuses("burn it") == "nobody burns books here"
    assert world.refuses("go south") is None
    world.restore(kept)
    assert world.step("go south").text == "You go south. You are in the hall."
    with pytest.raises(IsolatedError, match="no snapshot of this"):
        world.restore(("hall", False, ""))
    for wrong, why in (("raise", "ValueError: the lamp went out"), ("babble", "gave a dict")):
        with pytest.raises(IsolatedError, match=why):
            world.step(wrong)
    assert world.step("go north").valid, "what raises does not end it"


def test_the_real_one_says_what_is_as_good_as_the_same() -> None:
    world = Isolated("tests.support.toy_world:Clock")
    try:
        world.reset()
        first = world.step("go north").text
        world.reset()
        again = world.step("go north").text
        assert first != again
        assert world.same(first, again)
        assert not world.same(first, again.replace("study", "cellar"))
    finally:
        world.close()


def test_snapshots_that_nobody_holds_are_given_up(world: Isolated) -> None:
    world.reset()
    kept = world.snapshot()
    del kept
    assert world._free == [0]
    world.step("go north")
    assert world._free == []


def test_a_crash_and_a_hang_end_the_process_and_nothing_else(world: Isolated) -> None:
    world.reset()
    with pytest.raises(IsolatedError, match=r"it died \(exit code 7\)"):
        world.step("crash")
    with pytest.raises(IsolatedError, match="reset it before step"):
        world.step("go north")
    world._seconds = 5.0
    assert world.reset().text == "You are in the hall.", "a reset begins a new one"
    process = world._process
    assert process is not None
    world._seconds = 0.1
    begun = time.perf_counter()
    with pytest.raises(IsolatedError, match="gave nothing in time"):
        world.step("hang")
    assert time.perf_counter() - begun < 30
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_it_sees_no_secret_and_its_prints_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    world = Isolated("tests.support.toy_world:chatty")
    try:
        assert world.reset().text == "OPENAI_API_KEY is not set"
    finally:
        world.close()


def test_it_keeps_games_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REFLECTREE_CACHE", str(tmp_path / "games"))
    isolated = Isolated("tests.support.toy_world:keeper")
    assert isolated.reset().text == str(tmp_path / "games")
    isolated.close()


def test_it_is_heard_among_more_than_a_thousand_open_files(world: Isolated) -> None:
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip("a process may not have so many files open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, 1200), hard))
    others = [os.open(os.devnull, os.O_RDONLY) for _ in range(1050)]
    try:
        assert world.reset().text == "You are in the hall."
    finally:
        for other in others:
            os.close(other)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def test_worlds_bring_a_new_process_back_to_the_state() -> None:
    worlds = Worlds(partial(Isolated, SPEC, False))
    await worlds.step([], "go north", 30.0)
    with pytest.raises(WorldError, match="exit code 7"):
        await worlds.step(["go north"], "crash", 30.0)
    seen = await worlds.step(["go north"], "take key", 30.0)
    assert isinstance(seen, Observation)
    assert "You hold the key." in seen.text
    assert (worlds.counts.made, worlds.counts.lost, worlds.counts.replayed) == (2, 1, 1)
    await worlds.aclose()


async def test_one_that_hangs_is_killed_as_soon_as_it_is_given_up() -> None:
    made: list[Isolated] = []

    def make() -> Isolated:
        made.append(Isolated(SPEC))
        return made[-1]

    worlds = Worlds(make)
    await worlds.step([], "go north", 30.0)
    process = made[0]._process
    with pytest.raises(WorldError, match="nothing within"):
        await worlds.step(["go north"], "hang", 0.1)
    assert process is not None
    assert await in_thread(process.wait) == -signal.SIGKILL
    await worlds.aclose()


def test_what_cannot_be_made_is_told() -> None:
    with pytest.raises(IsolatedError, match="no attribute 'nothing'"):
        Isolated("tests.support.toy_world:nothing").reset()


def test_the_way_is_won(world: Isolated) -> None:
    world.reset()
    seen = [world.step(command) for command in WIN]
    assert (seen[-1].done, seen[-1].score) == (True, 1.0)
