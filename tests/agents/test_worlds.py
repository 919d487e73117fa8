from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.toy_world import WIN, Clock, ToyWorld, recorded, toy

from reflectree.agents.instances import Agree, Check, WorldError, sensible
from reflectree.agents.worlds import Refusal, Worlds
from reflectree.graphs.embodied.resolve import OneEnvironment
from reflectree.rlm_ops.environment import Observation

Making = Callable[[], ToyWorld]


async def stepped(worlds: Worlds, *commands: str, seconds: float = 5.0) -> Observation:
    seen = await worlds.step(commands[:-1], commands[-1], seconds)
    assert isinstance(seen, Observation)
    return seen


async def test_one_instance_goes_on_from_where_it_stands() -> None:
    made, make = recorded()
    worlds = Worlds(make)
    for count in range(1, 4):
        await stepped(worlds, *WIN[:count])
    seen = await stepped(worlds, *WIN)
    assert (seen.done, seen.score) == (True, 1.0)
    assert [world.done_here for world in made] == [["reset", *WIN]]
    counts = worlds.counts
    assert (counts.resets, counts.steps, counts.replayed, counts.restored, counts.made) == (1, 4, 0, 0, 1)


async def test_a_snapshot_of_the_nearest_prefix_is_gone_back_to() -> None:
    made, make = recorded()
    worlds = Worlds(make)
    await stepped(worlds, "go north")
    await stepped(worlds, "go north", "take key")
    seen = await stepped(worlds, "go north", "go south")
    assert "hall" in seen.text
    assert "key" not in seen.text
    assert made[0].done_here == ["reset", "go north", "take key", "restore", "go south"]
    assert worlds.counts.replayed == 0


async def test_without_snapshots_the_prefix_is_replayed() -> None:
    made, make = recorded(snapshots=False)
    worlds = Worlds(make, instances=1)
    await stepped(worlds, "go north")
    await stepped(worlds, "go north", "take key")
    await stepped(worlds, "go north", "go south")
    assert made[0].done_here == ["reset", "go north", "take key", "reset", "go north", "go south"]
    assert (worlds.counts.steps, worlds.counts.replayed, worlds.counts.restored) == (4, 1, 0)


async def test_the_snapshots_are_the_last_used_ones() -> None:
    _, make = recorded()
    worlds = Worlds(make, instances=1, snapshots=2)
    await stepped(worlds, "go north", "take key", "go south")  # keeps what is after the second and third command
    await stepped(worlds, "jump")
    assert worlds.counts.resets == 2, "the snapshot of the beginning was dropped"
    without = Worlds(make, instances=1, snapshots=0)
    await stepped(without, "go north", "take key")
    await stepped(without, "go north", "go south")
    assert without.counts.restored == 0


async def test_states_of_other_chains_are_kept_while_there_is_room() -> None:
    made, make = recorded(snapshots=False)
    worlds = Worlds(make, instances=2)
    for count in range(1, 4):
        await stepped(worlds, *WIN[:count])
        await stepped(worlds, *["go north", "go south", "go north"][:count])
    # both begin alike: the second chain had to be told apart from the first once
    assert len(made) == 2
    assert worlds.counts.replayed <= 2


async def test_an_episode_that_is_over_or_was_left_makes_room() -> None:
    made, make = recorded(snapshots=False)
    worlds = Worlds(make, instances=8)
    await stepped(worlds, "jump")
    await stepped(worlds, "go north")
    worlds.leave(["go north"])
    await stepped(worlds, "jump")
    assert len(made) == 1


async def test_a_command_that_is_not_understood_changes_nothing() -> None:
    made, make = recorded()
    worlds = Worlds(make)
    assert (await stepped(worlds, "go north", "dance")).valid is False
    assert (await stepped(worlds, "go north", "take key")).valid is True
    assert made[0].done_here == ["reset", "go north", "dance", "take key"]


async def test_what_is_refused_is_not_carried_out() -> None:
    made, make = recorded()
    worlds = Worlds(make)
    assert await worlds.step([], "burn book", 5.0) == Refusal("nobody burns books here")
    assert made[0].done_here == ["reset"]


@pytest.mark.parametrize("snapshots", [True, False])
async def test_calls_at_once_have_an_instance_each(snapshots: bool) -> None:
    made, make = recorded(snapshots)
    worlds = Worlds(make, instances=4)
    seen = await asyncio.gather(*(stepped(worlds, *WIN[: 1 + index % 4]) for index in range(24)))
    assert {observation.text for observation in seen if "won" in observation.text} == {"You open door. You have won."}
    assert all(world.most_users == 1 for world in made)
    await worlds.aclose()
    assert all(world.closed for world in made)


async def test_where_there_is_but_one_calls_wait_for_each_other() -> None:
    world = ToyWorld()
    worlds = Worlds(OneEnvironment(world), most=1)
    seen = await asyncio.gather(*(stepped(worlds, *WIN[: 1 + index % 4]) for index in range(12)))
    assert len(seen) == 12
    assert world.most_users == 1
    await worlds.aclose()
    assert not world.closed, "its owner closes it"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("raise", r"failed \(step\): ValueError: the lamp went out"),
        ("babble", "gave a dict where an Observation belongs"),
        ("overflow", r"score of 7.0: it must lie in \[0, 1\]"),
    ],
)
async def test_an_instance_that_misbehaves_is_thrown_away(command: str, why: str) -> None:
    made, make = recorded()
    worlds = Worlds(make)
    await stepped(worlds, "go north")
    with pytest.raises(WorldError, match=why):
        await stepped(worlds, "go north", command)
    assert worlds.counts.lost == 1
    seen = await stepped(worlds, "go north", "take key")  # in another one, by replay
    assert "key" in seen.text
    assert [world.done_here for world in made] == [
        ["reset", "go north", command],
        ["reset", "go north", "take key"],
    ]


async def test_one_that_hangs_is_given_up_and_others_go_on() -> None:
    made, make = recorded()
    worlds = Worlds(make)
    with pytest.raises(WorldError, match=r"gave nothing within 0\.05 s and was given up"):
        await stepped(worlds, "go north", "hang", seconds=0.05)
    assert not made[0].closed, "somebody is still in it"
    await stepped(worlds, "go north", "take key")
    assert len(made) == 2


async def test_the_only_one_that_hangs_is_lost() -> None:
    worlds = Worlds(OneEnvironment(ToyWorld()), most=1)
    with pytest.raises(WorldError, match="nothing within"):
        await stepped(worlds, "hang", seconds=0.05)
    with pytest.raises(WorldError, match="toy-world/key hung: give a function that makes another one"):
        await stepped(worlds, "go north")


def made_and_hanging(made: list[ToyWorld]) -> None:
    while not (made and "hang" in made[0].done_here):
        time.sleep(0.005)


async def test_a_cancelled_call_takes_its_instance_with_it() -> None:
    made, make = recorded()
    worlds = Worlds(make)
    task = asyncio.create_task(stepped(worlds, "hang"))
    async with asyncio.timeout(30):
        await asyncio.to_thread(lambda: made_and_hanging(made))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await stepped(worlds, "go north")
    assert len(made) == 2


@pytest.mark.parametrize(
    ("fickle", "why"),
    [("steps", "not deterministic: replayed as command 1, 'go north' gives"), ("resets", "a reset gives")],
)
async def test_what_is_not_deterministic_is_told(fickle: str, why: str) -> None:
    _, make = recorded(snapshots=False, fickle=fickle)
    worlds = Worlds(make, instances=1)
    first = await stepped(worlds, "go north")
    await stepped(worlds, "go north", "take key")

    def same(index: int, observation: Observation, agree: Agree) -> bool:
        return agree(first.text, observation.text)

    with pytest.raises(WorldError, match=why):
        await worlds.step(["go north"], "go south", 5.0, same)


async def test_an_environment_says_what_is_as_good_as_the_same() -> None:
    worlds = Worlds(Clock, instances=1)
    first = await stepped(worlds, "go north")
    await stepped(worlds, "go north", "take key")

    def shows(text: str) -> Check:
        return lambda index, observation, agree: agree(text, observation.text)

    seen = await worlds.step(["go north"], "go south", 5.0, shows(first.text))
    assert isinstance(seen, Observation)
    assert seen.text != first.text
    with pytest.raises(WorldError, match="not deterministic"):
        await worlds.step(
            ["go north"], "go south", 5.0, shows("You go north. You are in the cellar. The clock says 1.")
        )


async def test_an_environment_that_cannot_say_what_is_the_same_is_told() -> None:
    class Undecided(Clock):
        def same(self, recorded: str, seen: str) -> Any:
            return None

    worlds = Worlds(Undecided, instances=1)
    await stepped(worlds, "go north", "take key")
    with pytest.raises(WorldError, match=r"same\(\) gave a NoneType: give True or False"):
        await worlds.step(["go north"], "go south", 5.0, lambda index, observation, agree: agree("", observation.text))


async def test_an_episode_that_ends_earlier_in_a_replay_is_told() -> None:
    worlds = Worlds(toy)
    with pytest.raises(WorldError, match="not deterministic"):
        await stepped(worlds, "jump", "go north", "take key")


async def test_the_beginning() -> None:
    made, make = recorded()
    worlds = Worlds(make)
    task, seen = await worlds.begin(5.0)
    assert task.question == "Open the door of the hall."
    assert seen.text == "You are in the hall."
    await stepped(worlds, "go north")
    assert made[0].done_here == ["reset", "go north"], "it was not begun again"


@pytest.mark.parametrize(
    ("observation", "why"),
    [
        (None, "a NoneType"),
        (Observation(3), "not words"),  # type: ignore[arg-type]
        (Observation("x", actions=(1,)), "not words"),  # type: ignore[arg-type]
        (Observation("x", actions=7), "not words"),  # type: ignore[arg-type]
        (Observation("x", done="yes"), "done and valid"),  # type: ignore[arg-type]
        (Observation("x", score=float("nan")), "a score of nan"),
        (Observation("x", score="high"), "a score of 'high'"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_told(observation: Any, why: str) -> None:
    with pytest.raises(WorldError, match=why):
        sensible(observation)


async def test_text_that_cannot_be_saved_is_replayed_as_it_was_saved() -> None:
    """What a shell says in bytes of no alphabet, read by Python, holds halves of surrogate pairs."""

    class Shell(ToyWorld):
        def step(self, command: str) -> Observation:
            return replace(super().step(command), text="caf\udce9")

    worlds = Worlds(lambda: Shell(snapshots=False), instances=1)
    seen = await worlds.step([], "go north", 5.0)
    assert isinstance(seen, Observation)
    assert seen.text == "caf?"

    def same(index: int, observation: Observation, agree: Agree) -> bool:
        return agree("caf?", observation.text)

    worlds.leave(["go north"])
    assert isinstance(await worlds.step(["go north"], "take key", 5.0, same), Observation)
    assert worlds.counts.replayed == 1


async def test_what_is_no_environment_is_told() -> None:
    worlds = Worlds(lambda: 3)  # type: ignore[arg-type,return-value]
    with pytest.raises(WorldError, match="int was made, which is no Environment"):
        await stepped(worlds, "go north")
