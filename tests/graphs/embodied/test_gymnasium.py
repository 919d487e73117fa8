from __future__ import annotations

import pytest

from reflectree.graphs.embodied import gymnasium
from reflectree.rlm_ops.errors import BadInput

pytest.importorskip("minigrid")


def test_a_grid_in_words() -> None:
    env = gymnasium.environment("MiniGrid-DoorKey-5x5-v0/7")()
    assert env.name == "gym/MiniGrid-DoorKey-5x5-v0/7"
    assert env.task.question == "Use the key to open the door and then get to the goal."
    assert env.reset().text == (
        "You face west, carrying nothing. Directly ahead: a wall. You see: a yellow key 2 to the right. "
        "Walls: 1 ahead, 1 to the left, 3 to the right."
    )
    assert env.step("turn right").text == (
        "You face north, carrying nothing. Directly ahead: nothing. You see: a locked yellow door 1 ahead and 1 to the "
        "right; a yellow key 2 ahead. Walls: 3 ahead, 1 to the left, 1 to the right."
    )
    env.step("Move forward.")
    assert env.step("pick up").text.startswith("You face north, carrying a yellow key. Directly ahead: nothing.")
    env.close()


def test_the_lake_in_words_and_its_holes() -> None:
    env = gymnasium.environment("FrozenLake8x8-v1/3")()
    assert env.task.question == "Cross the frozen lake to row 8, column 8 without stepping into a hole."
    env.reset()
    env.step("go south")
    seen = env.step("go south")
    assert seen.text == (
        "You are on ice in row 3, column 1 of 8 rows and 8 columns. "
        "north: ice, east: ice, south: a hole, west: the edge."
    )
    last = env.step("go south")
    assert (last.done, last.score) == (True, 0.0)
    env.close()


def test_seeds_are_layouts() -> None:
    one, other = (gymnasium.environment(f"FrozenLake-v1/{seed}")() for seed in (3, 4))
    assert one.reset() == one.reset()
    assert [one._env.unwrapped.desc.tolist()] != [other._env.unwrapped.desc.tolist()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("rest", ["MiniGrid-DorKey-5x5-v0", "CartPole-v1", ""])
def test_a_world_that_is_none_says_what_there_is(rest: str) -> None:
    with pytest.raises(BadInput, match=r"there are \d+ worlds, among them MiniGrid-Empty-5x5-v0"):
        gymnasium.environment(rest)


def test_a_near_name_is_proposed() -> None:
    with pytest.raises(BadInput, match=r"did you mean MiniGrid-DoorKey-5x5-v0\?"):
        gymnasium.environment("MiniGrid-DorKey-5x5-v0")
