"""A small world of rooms for tests: fetch the key, open the door. With and without snapshots, and with bad manners.

The shortest way is `WIN`. `jump` ends the episode lost. What it says at the end is open to all: "You have won".
"""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections.abc import Callable
from typing import Any

from reflectree.rlm_ops.environment import Observation
from reflectree.rlm_ops.task import Task

WIN = ("go north", "take key", "go south", "open door")
NEVER = threading.Event()
"""What a hanging world waits for."""
_TICKS = itertools.count()
_CLOCK = re.compile(r" The clock says \d+\.")


class ToyWorld:
    """A hall with a door and a cliff, and a study with a key north of it.

    Args:
        snapshots: Whether states can be kept.
        fickle: Say something else at every step (`steps`), or at every reset (`resets`).

    Attributes:
        done_here: What was called, in order; `users` counts the calls under way and `most_users` the most at once.
    """

    def __init__(self, snapshots: bool = True, fickle: str = "") -> None:
        self.name = "toy-world/key"
        self.task = Task("Open the door of the hall.", id="toy-world/key")
        self.done_here: list[str] = []
        self.users = self.most_users = 0
        self.closed = False
        self._snapshots, self._fickle = snapshots, fickle
        self._state: tuple[str, bool, str] | None = None

    def reset(self) -> Observation:
        self.done_here.append("reset")
        self._state = ("hall", False, "")
        return self._look("", tick=self._fickle == "resets")

    def step(self, command: str) -> Observation:
        self.users += 1
        self.most_users = max(self.most_users, self.users)
        try:
            self.done_here.append(command)
            seen: Observation = self._step(command)
            return seen
        finally:
            self.users -= 1

    def snapshot(self) -> object | None:
        return self._state if self._snapshots else None

    def restore(self, snapshot: object) -> None:
        self.done_here.append("restore")
        self._state = snapshot  # type: ignore[assignment]

    def refuses(self, command: str) -> str | None:
        return "nobody burns books here" if "burn" in command else None

    def close(self) -> None:
        self.closed = True

    def _step(self, command: str) -> Any:
        assert self._state is not None, "step before reset"
        room, key, ended = self._state
        if command == "hang":
            NEVER.wait(60)
        if command == "crash":
            os._exit(7)
        if command == "raise":
            raise ValueError("the lamp went out")
        if command == "babble":
            return {"text": "gibberish"}
        if command == "overflow":
            return Observation("Too good.", score=7.0)
        if ended or command not in self._commands():
            return self._look(f"You cannot {command}.", valid=False)
        if command in ("go north", "go south"):
            room = "study" if command == "go north" else "hall"
        elif command == "take key":
            key = True
        elif command == "open door":
            ended = "won"
        elif command == "jump":
            ended = "lost"
        self._state = (room, key, ended)
        return self._look(f"You {command}.", tick=self._fickle == "steps")

    def _commands(self) -> tuple[str, ...]:
        assert self._state is not None
        room, key, ended = self._state
        if ended:
            return ()
        if room == "study":
            return ("go south",) if key else ("go south", "take key")
        return ("go north", "jump", "open door") if key else ("go north", "jump")

    def _look(self, said: str, *, valid: bool = True, tick: bool = False) -> Observation:
        assert self._state is not None
        room, key, ended = self._state
        text = f"{said} You are in the {room}." + (" You hold the key." if key else "")
        if ended:
            text = f"{said} You have {ended}."
        if tick:
            text += f" The clock says {next(_TICKS)}."
        score = 1.0 if ended == "won" else 0.5 if key else 0.0
        return Observation(text.strip(), bool(ended), self._commands(), score, valid)


class Clock(ToyWorld):
    """A world without snapshots whose clock shows another time at every step, and that says that this is no matter."""

    def __init__(self) -> None:
        super().__init__(snapshots=False, fickle="steps")

    def same(self, recorded: str, seen: str) -> bool:
        return _CLOCK.sub("", recorded) == _CLOCK.sub("", seen)


def toy(snapshots: bool = True, fickle: str = "") -> ToyWorld:
    """One world."""
    return ToyWorld(snapshots, fickle)


def recorded(snapshots: bool = True, fickle: str = "") -> tuple[list[ToyWorld], Callable[[], ToyWorld]]:
    """A function that makes worlds, and the list of those it made."""
    made: list[ToyWorld] = []

    def make() -> ToyWorld:
        made.append(ToyWorld(snapshots, fickle))
        return made[-1]

    return made, make


def acted(*commands: str) -> list[str]:
    """What a policy says that gives these commands."""
    return [f"Thought: number {index}.\nAction: {command}" for index, command in enumerate(commands)]


def keeper() -> ToyWorld:
    """A world that says where made games are kept."""
    from reflectree.graphs.embodied.textworld_games import cache_folder

    class Keeper(ToyWorld):
        def reset(self) -> Observation:
            return Observation(str(cache_folder()))

    return Keeper()


def chatty() -> ToyWorld:
    """A world that prints where it should not, and says whether it can see a secret."""

    class Chatty(ToyWorld):
        def reset(self) -> Observation:
            os.write(1, b"{not json\n")
            found = "is set" if "OPENAI_API_KEY" in os.environ else "is not set"
            return Observation(f"OPENAI_API_KEY {found}")

    return Chatty()
