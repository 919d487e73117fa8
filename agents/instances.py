"""One environment of a pool, as the thread that works with it sees it: reset, restored, replayed, stepped, given up.

Whatever an environment does wrong becomes a `WorldError` in words. Which instance is taken for which call, and what its
observations are for, is not known here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

from reflectree.rlm_ops.environment import Environment, MakeEnvironment, Observation, agree
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.task import Task

Commands = tuple[str, ...]
Agree = Callable[[str, str], bool]
"""Whether the text of an observation that was recorded and of one that is seen now are as good as each other."""
Check = Callable[[int, Observation, Agree], bool]
"""Whether the observation after the command of this index is the one that it was before."""


class WorldError(ReflectreeError):
    """An environment hangs, raises, returns nonsense or is not deterministic: the call that met it fails."""


def anything(index: int, observation: Observation, agree: Agree) -> bool:
    """A check that takes whatever is observed."""
    return True


@dataclass(slots=True)
class Counts:
    """What was done in environments so far.

    Attributes:
        resets: Episodes begun anew.
        steps: Commands carried out, replayed ones included.
        replayed: Those that only brought an environment back to a state.
        restored: Snapshots gone back to.
        made: Environments made.
        lost: Environments thrown away because they hung, raised or returned nonsense.
    """

    resets: int = 0
    steps: int = 0
    replayed: int = 0
    restored: int = 0
    made: int = 0
    lost: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, **counts: int) -> None:
        """Count; threads may do so at the same time."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


@dataclass(frozen=True, slots=True)
class Route:
    """How an instance comes to a state.

    Attributes:
        commands: The state: the commands from a reset to it.
        known: How many of them need not be replayed.
        snapshot: Where it begins; `None` is where the instance stands, or a reset where `reset` is set.
    """

    commands: Commands
    known: int = 0
    snapshot: object | None = None
    reset: bool = False


class Instance:
    """An environment and where it stands.

    Args:
        make: Makes it, at the first use.
        counts: Where what it does is counted.
        first: What was observed at an earlier reset, of whichever instance; kept in `first` afterwards.

    Attributes:
        at: The commands from a reset to where it stands; `None` where nothing can go on from there.
        kept: Snapshots it gave that nobody has taken away yet, by the commands that lead there.
        keeps: Whether it gives snapshots, as far as is known.
    """

    def __init__(self, make: MakeEnvironment, counts: Counts, first: Observation | None = None) -> None:
        self._make, self._counts = make, counts
        self.first = first
        self.at: Commands | None = None
        self.kept: list[tuple[Commands, object]] = []
        self.keeps = True
        self._environment: Environment | None = None
        self._lock = threading.Lock()
        self._running = self._given_up = False

    def work(self, function: Callable[[], Any]) -> Any:
        """Run something with the environment; one that was given up meanwhile is closed after it."""
        with self._lock:
            if self._given_up:
                raise WorldError("the environment was given up")
            self._running = True
        try:
            return function()
        finally:
            with self._lock:
                self._running = False
                given_up = self._given_up
            if given_up:
                self._close()

    def give_up(self) -> None:
        """Close it as soon as nothing runs in it any more; one that can be killed is killed at once."""
        with self._lock:
            self._given_up, running = True, self._running
        if not running:
            threading.Thread(target=self._close, name="reflectree-close", daemon=True).start()
        elif (kill := getattr(self._environment, "kill", None)) is not None:
            kill()

    def close(self) -> None:
        """Close it; it is not used again."""
        with self._lock:
            self._given_up = True
        self._close()

    def _close(self) -> None:
        environment, self._environment = self._environment, None
        try:
            if environment is not None:
                environment.close()
        except Exception:  # the boundary to a user's environment, of which nothing more is wanted
            return

    # What is done in it

    def begin(self) -> tuple[Task, Observation]:
        """Its task, and what is seen at the beginning of an episode."""
        observation = self._reset()
        self._keep((), observation)
        task = self._try("its task", lambda: self._alive.task)
        if not isinstance(task, Task):
            raise WorldError(f"the environment gave a {type(task).__name__} as its task: give a Task")
        self.at = ()
        return task, observation

    def bring(self, route: Route, check: Check) -> None:
        """Come to a state.

        Raises:
            WorldError: Something goes wrong, or otherwise than before.
        """
        self.at = None
        if route.reset:
            self._keep((), self._reset())
        elif route.snapshot is not None:
            self._try("restore", lambda: self._alive.restore(route.snapshot))
            self._counts.add(restored=1)
        for index in range(route.known, len(route.commands)):
            command = route.commands[index]
            observation = self._step(command)
            self._counts.add(replayed=1)
            if not check(index, observation, self._agree) or (observation.done and index < len(route.commands) - 1):
                raise WorldError(
                    f"the environment is not deterministic: replayed as command {index + 1}, {command!r:.80} gives "
                    f"{observation.text!r:.120}, which is not what was recorded"
                )
            self._keep(route.commands[: index + 1], observation)
        self.at = route.commands

    def refuses(self, command: str) -> str | None:
        """Why the environment does not let a command be carried out."""
        reason = self._try("refuses", lambda: self._alive.refuses(command))
        if reason is None or isinstance(reason, str):
            return reason
        raise WorldError(f"the environment's refuses() gave a {type(reason).__name__}: give a reason or None")

    def step(self, command: str) -> Observation:
        """Carry a command out where it stands."""
        before = self.at or ()
        self.at = None
        observation = self._step(command)
        if observation.valid:  # one that was not understood changes nothing
            before = (*before, command)
            self._keep(before, observation)
        self.at = None if observation.done else before
        return observation

    @property
    def _alive(self) -> Environment:
        if self._environment is None:
            environment = self._try("making it", self._make)
            if not isinstance(environment, Environment):
                raise WorldError(f"{type(environment).__name__} was made, which is no Environment")
            self._environment = environment
            self._counts.add(made=1)
        return self._environment

    def _reset(self) -> Observation:
        observation = sensible(self._try("reset", lambda: self._alive.reset()))
        self._counts.add(resets=1)
        if self.first is None:
            self.first = observation
        elif not self._agree(self.first.text, observation.text):
            raise WorldError(
                f"the environment is not deterministic: a reset gives {observation.text!r:.120}, and gave "
                f"{self.first.text!r:.120} before"
            )
        return observation

    def _step(self, command: str) -> Observation:
        observation = sensible(self._try("step", lambda: self._alive.step(command)))
        self._counts.add(steps=1)
        return observation

    def _keep(self, commands: Commands, observation: Observation) -> None:
        """Keep a snapshot of where it stands, for others to go on from."""
        if self.keeps and not observation.done:
            snapshot = self._try("snapshot", lambda: self._alive.snapshot())
            self.keeps = snapshot is not None
            if self.keeps:
                self.kept.append((commands, snapshot))

    def _agree(self, recorded: str, seen: str) -> bool:
        """Whether two observations agree, as far as the environment is concerned."""
        agreed = self._try("same", lambda: agree(self._alive, recorded, seen))
        if isinstance(agreed, bool):
            return agreed
        raise WorldError(f"the environment's same() gave a {type(agreed).__name__}: give True or False")

    @staticmethod
    def _try(what: str, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except WorldError:
            raise
        except (Exception, SystemExit) as error:  # the boundary to a user's environment
            raise WorldError(f"the environment failed ({what}): {type(error).__name__}: {error}"[:500]) from error


def sensible(observation: Any) -> Observation:
    """An observation that is one, its text as a trace keeps it: half a surrogate pair can be neither saved nor sent.

    Raises:
        WorldError: It is not; the message says what is wrong.
    """
    if not isinstance(observation, Observation):
        raise WorldError(f"the environment gave a {type(observation).__name__} where an Observation belongs")
    score, actions = observation.score, observation.actions
    listed = isinstance(actions, tuple | list) and all(isinstance(action, str) for action in actions)
    if not isinstance(observation.text, str) or not listed:
        raise WorldError("the environment gave an observation whose text and actions are not words")
    if not isinstance(observation.done, bool) or not isinstance(observation.valid, bool):
        raise WorldError("the environment gave an observation whose done and valid are not True or False")
    if score is not None and not (isinstance(score, Real) and math.isfinite(score) and 0 <= score <= 1):
        raise WorldError(f"the environment gave a score of {score!r:.40}: it must lie in [0, 1]")
    kept = observation.text.encode("utf-8", "replace").decode()
    return observation if kept == observation.text else replace(observation, text=kept)
