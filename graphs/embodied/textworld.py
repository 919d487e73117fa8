"""`textworld/coin-3`: text adventures of the TextWorld package, whose states are kept by copying the interpreter.

The grammar is what the game itself lists as admissible: another command never reaches the game's parser, so that it
changes nothing and cannot open one of the parser's questions. The score is the game's points over the most there are.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from reflectree.graphs.embodied.episodes import Episode
from reflectree.graphs.embodied.textworld_games import Game, file_of, game, quiet
from reflectree.rlm_ops.environment import MakeEnvironment, Observation
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.task import Task

HINTS = (
    "Commands are short sentences such as: look, inventory, go north, open THING, take THING, take THING from PLACE, "
    "put THING on PLACE, unlock THING with THING."
)
SHORT = {
    **{word[0]: f"go {word}" for word in ("north", "south", "east", "west")},
    **{word: f"go {word}" for word in ("north", "south", "east", "west")},
    "i": "inventory",
    "l": "look",
}
"""What players of text adventures write for short."""
_PROMPT = re.compile(r"\n>\s*(-=.*)?\Z", re.DOTALL)
"""The interpreter's prompt, with the status line that it draws behind it."""
_ENDING = re.compile(r"\n\s*\*\*\*.*", re.DOTALL)
"""The end of a game, with the restart menu."""
_POINTS = re.compile(r"Your score has (just )?gone (up|down) by [^.]*\.")
"""The game's own score is gold: what it says of it is left out."""


class TextWorld(Episode):
    """One game. `env.copy()` is made late: a kept state is copied only when somebody steps on from it."""

    def __init__(self, game: Game) -> None:
        self._game = game
        self._textworld = require("textworld", "textworld", f"textworld/{game.name}")
        self._env = self._started()
        state = self._env.reset()
        self._shared = False
        name = f"textworld/{game.name.removesuffix('/0')}"
        objective = " ".join(str(state.objective).split())
        super().__init__(name, Task(objective or "Find out what to do, and do it.", context=HINTS, id=name))

    def expert(self) -> tuple[str, ...]:
        """The game's own walkthrough."""
        env = self._started()
        try:
            return tuple(env.reset().policy_commands)
        finally:
            env.close()

    def _begin(self) -> Observation:
        self._own()
        state = self._env.reset()
        return self._observed(str(state.description), state)

    def _carry_out(self, command: str) -> Observation:
        command = _read(command)
        if command not in self._now().actions:
            return self._not_understood(f"That cannot be done here: {command!r}.")
        self._own()
        state, _, _ = self._env.step(command)
        return self._observed(str(state.feedback), state)

    def _observed(self, text: str, state: Any) -> Observation:
        done = bool(state.won or state.lost)
        text = _POINTS.sub("", _ENDING.sub("", _PROMPT.sub("", text)))
        text = re.sub(r"\s*\n\s*", "\n", text).strip()
        actions = () if done else tuple(state.admissible_commands)
        score = 1.0 if state.won else max(0.0, min(1.0, (state.score or 0) / state.max_score))
        return Observation(text, done, actions, score)

    def _started(self) -> Any:
        core = self._textworld
        quiet()
        wanted = core.EnvInfos(
            admissible_commands=True, policy_commands=True, objective=True, description=True, feedback=True,
            score=True, max_score=True, won=True, lost=True,
        )  # fmt: skip
        return core.start(str(file_of(self._game)), wanted)

    def _own(self) -> None:
        """Have an interpreter that no kept state shares."""
        if self._shared:
            self._env, self._shared = self._env.copy(), False

    def _keep(self) -> Any:
        self._shared = True
        return self._env

    def _return_to(self, world: Any) -> None:
        if not self._shared and world is not self._env:
            self._env.close()
        self._env, self._shared = world, True

    def _give_up(self) -> None:
        if not self._shared:
            self._env.close()


def environment(rest: str) -> MakeEnvironment:
    """What makes `textworld/REST`; the game itself is made when the first environment is.

    Raises:
        BadInput: There is no such game.
        MissingExtra: TextWorld is not installed.
    """
    wanted = game(rest)
    require("textworld", "textworld", f"textworld/{rest}")
    return partial(TextWorld, wanted)


def _read(command: str) -> str:
    words = command.lower().lstrip("> ").strip(" .!")
    return SHORT.get(words, words)
