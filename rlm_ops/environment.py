"""An environment that a run may act in: reset, step, and back to an earlier state.

It is the world outside the model: a text game, a simulated laboratory, an instrument. What it says is data. Its own
score is gold: it stands in the final report and is never shown to a model, a value or a stop rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from reflectree.rlm_ops.task import Task


@dataclass(frozen=True, slots=True)
class Observation:
    """What an environment shows after a reset or a step.

    Attributes:
        text: What is seen, in words.
        done: Whether the episode is over, won or lost.
        actions: The commands it would take now, where it knows; empty where anything may be tried.
        score: Its own score so far, in [0, 1]; `None` where it has none. Gold: no model ever sees it.
        valid: Whether the last command was one that it understood.
    """

    text: str
    done: bool = False
    actions: tuple[str, ...] = ()
    score: float | None = None
    valid: bool = True


@runtime_checkable
class Environment(Protocol):
    """One episode of a world at a time. The same commands after a reset give the same observations.

    One whose observations differ in what does not matter says so by a method `same` (see `Tolerant`). An environment
    need not be safe to share between threads: a run takes as many as it has paths in flight.
    """

    @property
    def name(self) -> str:
        """What it is called, with everything needed to make it again: `textworld/coin-3`."""
        ...

    @property
    def task(self) -> Task:
        """The goal in words, without any gold."""
        ...

    def reset(self) -> Observation:
        """Begin the episode anew."""
        ...

    def step(self, command: str) -> Observation:
        """Carry out one command. One that it does not understand changes nothing and gives `valid=False`."""
        ...

    def snapshot(self) -> object | None:
        """The present state, to go back to; `None` where states cannot be kept: commands are then replayed."""
        ...

    def restore(self, snapshot: object) -> None:
        """Go back to a state that `snapshot` gave."""
        ...

    def refuses(self, command: str) -> str | None:
        """Why a command must not be carried out (a safety check, made before it is), or `None`."""
        ...

    def close(self) -> None:
        """Give up what it holds."""
        ...


MakeEnvironment: TypeAlias = Callable[[], Environment]
"""Makes one environment; each call gives one of its own."""


@runtime_checkable
class Tolerant(Protocol):
    """An environment that does not show quite the same each time: a thermometer that reads a degree more, say.

    The method is optional. Without it, a replay has to show word for word what it showed before.
    """

    def same(self, recorded: str, seen: str) -> bool:
        """Whether what a replayed command shows now is as good as what it showed before.

        Args:
            recorded: The text of the observation that was recorded; a long one is cut.
            seen: The text of the one that is seen now, cut at the same length.
        """
        ...


def agree(environment: object, recorded: str, seen: str) -> bool:
    """Whether two observations of the same commands agree, by the word of the environment where they differ."""
    return recorded == seen or (isinstance(environment, Tolerant) and environment.same(recorded, seen))
