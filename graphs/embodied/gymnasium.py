"""`gym/MiniGrid-DoorKey-5x5-v0/7`: MiniGrid, BabyAI and FrozenLake of Gymnasium, seen and acted in by words.

The number is the seed of the layout. States are deep copies. The score is 1.0 where the mission is fulfilled and 0.0
elsewhere: what the packages pay for haste is left out.
"""

from __future__ import annotations

import copy
import difflib
from collections import deque
from functools import partial
from typing import Any

from reflectree.graphs.embodied import gymnasium_views as views
from reflectree.graphs.embodied.episodes import Episode, number
from reflectree.rlm_ops.environment import MakeEnvironment, Observation
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.task import Task

FAMILIES = ("MiniGrid-", "BabyAI-", "FrozenLake-")
LAKE_SIZE = {"FrozenLake-v1": 4, "FrozenLake8x8-v1": 8}
MOST_STATES = 20_000
"""States that the expert looks at before it gives up."""


class Gym(Episode):
    """A grid world in words."""

    def __init__(self, world: str, seed: int) -> None:
        self._id, self._seed = world, seed
        self._lake = world in LAKE_SIZE
        self._actions = views.FROZEN_LAKE_ACTIONS if self._lake else views.MINIGRID_ACTIONS
        self._env = _made(world, seed)
        self._env.reset(seed=seed)
        name = f"gym/{world}/{seed}"
        super().__init__(name, Task(self._goal(), context=f"Commands: {', '.join(self._actions)}.", id=name))

    def expert(self) -> tuple[str, ...]:
        """A shortest way, found by trying everything on copies.

        Raises:
            BadInput: The world has too many states for that.
        """
        start = self._fresh()
        ways: deque[tuple[Any, tuple[int, ...]]] = deque([(start, ())])
        known = {self._state(start)}
        while ways and len(known) <= MOST_STATES:
            env, way = ways.popleft()
            for action in range(len(self._actions)):
                after = copy.deepcopy(env)
                _, reward, ended, cut, _ = after.step(action)
                if ended and reward > 0:
                    return tuple(self._actions[taken] for taken in (*way, action))
                if not (ended or cut) and (state := self._state(after)) not in known:
                    known.add(state)
                    ways.append((after, (*way, action)))
        raise BadInput(f"{self.name}: no way was found among {len(known)} states: take a smaller world")

    def _begin(self) -> Observation:
        self._env.reset(seed=self._seed)
        return self._observed(False, 0.0)

    def _carry_out(self, command: str) -> Observation:
        command = command.lower().strip(" .")
        if command not in self._actions:
            return self._not_understood(f"No such command: {command!r}. Give one of: {', '.join(self._actions)}.")
        _, reward, ended, cut, _ = self._env.step(self._actions.index(command))
        return self._observed(bool(ended or cut), float(ended and reward > 0))

    def _observed(self, done: bool, score: float) -> Observation:
        world = self._env.unwrapped
        if self._lake:
            text = views.frozen_lake(world)
        else:
            constants = require("minigrid.core.constants", "embodied", "MiniGrid")
            text = views.minigrid(world, constants)
        return Observation(text, done, () if done else self._actions, score)

    def _goal(self) -> str:
        world = self._env.unwrapped
        if self._lake:
            return f"Cross the frozen lake to row {world.nrow}, column {world.ncol} without stepping into a hole."
        mission = str(world.mission)
        return f"{mission[0].upper()}{mission[1:]}."

    def _fresh(self) -> Any:
        """A world at the beginning of the episode."""
        env = _made(self._id, self._seed)
        env.reset(seed=self._seed)
        return env

    def _state(self, env: Any) -> object:
        """What tells states apart, the steps taken aside."""
        world = env.unwrapped
        if self._lake:
            return int(world.s)
        held = world.carrying
        return world.hash(64), (held.type, held.color) if held else None

    def _keep(self) -> Any:
        return copy.deepcopy(self._env)

    def _return_to(self, world: Any) -> None:
        self._env = copy.deepcopy(world)

    def _give_up(self) -> None:
        self._env.close()


def environment(rest: str) -> MakeEnvironment:
    """What makes `gym/REST`: an id of Gymnasium, and perhaps a slash and a seed.

    Raises:
        BadInput: It is none of the families that have words here, or the seed is none.
        MissingExtra: A package is not installed.
    """
    world, _, seed = rest.partition("/")
    known = _known()
    if world not in known:
        close = difflib.get_close_matches(world, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise BadInput(
            f"no environment gym/{rest}: {hint}there are {len(known)} worlds, among them MiniGrid-Empty-5x5-v0, "
            "MiniGrid-DoorKey-5x5-v0, BabyAI-GoToRedBall-v0, FrozenLake-v1, each with an optional /SEED"
        )
    return partial(Gym, world, number(seed or "0", "the seed", f"gym/{rest}"))


def _known() -> list[str]:
    gym = require("gymnasium", "embodied", "an environment gym/...")
    require("minigrid", "embodied", "an environment gym/...")  # importing it registers its worlds
    return [name for name in gym.registry if name.startswith(FAMILIES[:2]) or name in LAKE_SIZE]


def _made(world: str, seed: int) -> Any:
    gym = require("gymnasium", "embodied", f"gym/{world}")
    if size := LAKE_SIZE.get(world):
        lake = require("gymnasium.envs.toy_text.frozen_lake", "embodied", f"gym/{world}")
        layout = lake.generate_random_map(size=size, seed=seed)
        return gym.make(world, desc=layout, is_slippery=False, disable_env_checker=True)
    require("minigrid", "embodied", f"gym/{world}")
    return gym.make(world, disable_env_checker=True)
