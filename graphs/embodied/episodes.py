"""What the shipped environments have in common: one episode at a time, and the same answer to what cannot be done.

A subclass says how its world begins, carries out a command, and is kept. It knows nothing of models or of search.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Protocol, final, runtime_checkable

from reflectree.rlm_ops.environment import Environment, Observation
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

OVER = "The episode is over: nothing more can be done."


@runtime_checkable
class Guided(Environment, Protocol):
    """An environment that knows how it is won. Its way is gold: it proves the plumbing and is shown to no model."""

    def expert(self) -> tuple[str, ...]:
        """Commands that win, from the beginning of the episode. The episode under way is left as it is, or reset."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A state to go back to: what was last seen, and the world as its environment keeps it."""

    seen: Observation
    world: Any


class Episode(ABC):
    """An environment's outer half: before the reset, after the end, after closing, and for what is not understood."""

    def __init__(self, name: str, task: Task) -> None:
        self._name, self._task = name, task
        self._seen: Observation | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """What it is called, with everything needed to make it again."""
        return self._name

    @property
    def task(self) -> Task:
        """The goal in words, without any gold."""
        return self._task

    @final
    def reset(self) -> Observation:
        """Begin the episode anew.

        Raises:
            BadInput: It was closed.
        """
        self._require_open()
        self._seen = self._begin()
        return self._seen

    @final
    def step(self, command: str) -> Observation:
        """Carry out one command; how many spaces are in it does not matter.

        Raises:
            BadInput: It was closed, or never reset.
        """
        seen = self._now()
        if seen.done:
            return replace(seen, text=OVER, valid=False)
        seen = self._carry_out(" ".join(command.split()))
        if seen.valid:
            self._seen = seen
        return seen

    @final
    def snapshot(self) -> object | None:
        """The present state, or `None` where the world cannot be kept."""
        seen = self._now()
        world = self._keep()
        return None if world is None else Kept(seen, world)

    @final
    def restore(self, snapshot: object) -> None:
        """Go back to a state that `snapshot` gave, here or in another environment of the same name.

        Raises:
            BadInput: It is no such state, or the environment was closed.
        """
        self._require_open()
        if not isinstance(snapshot, Kept):
            raise BadInput(f"{self.name}: {type(snapshot).__name__} is no state that snapshot() gave")
        self._return_to(snapshot.world)
        self._seen = snapshot.seen

    def refuses(self, command: str) -> str | None:
        """Nothing is refused unless a world says so."""
        return None

    @final
    def close(self) -> None:
        """Give up what it holds; closing twice is closing once."""
        if not self._closed:
            self._closed, self._seen = True, None
            self._give_up()

    def _not_understood(self, text: str) -> Observation:
        """What is seen after a command that changed nothing."""
        return replace(self._now(), text=text, valid=False)

    def _now(self) -> Observation:
        """What was last seen."""
        self._require_open()
        if self._seen is None:
            raise BadInput(f"{self.name}: reset() it before anything else")
        return self._seen

    def _require_open(self) -> None:
        if self._closed:
            raise BadInput(f"{self.name} is closed: make another one")

    @abstractmethod
    def _begin(self) -> Observation:
        """The first observation of a new episode."""

    @abstractmethod
    def _carry_out(self, command: str) -> Observation:
        """Carry out a command that came before the end, its spaces put in order."""

    def _keep(self) -> Any | None:
        """The world's state, which nothing changes later; `None` where it cannot be kept."""
        return None

    def _return_to(self, world: Any) -> None:
        """Go back to a kept state, which stays as it is."""
        raise BadInput(f"{self.name} cannot go back: replay its commands after reset()")

    def _give_up(self) -> None:  # noqa: B027 (most worlds hold nothing)
        """Give up what is held."""


def number(text: str, what: str, name: str) -> int:
    """A whole number of a name such as `kitchen-2`.

    Raises:
        BadInput: It is none, or is below 0.
    """
    if not (text.isascii() and text.isdecimal()):
        raise BadInput(f"{name}: {what} must be a whole number from 0 on, not {text!r}")
    return int(text)
