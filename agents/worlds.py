"""Environments as a pool: bring one to the state after some commands, carry one more out.

A state is known by the commands that lead to it from a reset. It is reached from the nearest known one before it: where
an instance stands, a snapshot that an instance gave, or a reset; the rest is replayed. One call has an instance to
itself, in a thread of its own. An instance that hangs, raises or returns nonsense is thrown away, and only the call
that met it fails. What a command means, and what is done with an observation, is not known here.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from reflectree.agents.instances import Check, Commands, Counts, Instance, Route, WorldError, anything
from reflectree.agents.tool_calls import in_thread
from reflectree.rlm_ops.environment import MakeEnvironment, Observation
from reflectree.rlm_ops.task import Task

CLOSING = 10.0
"""Seconds after which environments that do not close are left to their threads."""


class Refusal(NamedTuple):
    """A command that must not be carried out, and was not."""

    reason: str


class Worlds:
    """A pool of environments of one kind.

    Args:
        make: Makes an environment.
        instances: How many are kept, and made while states would otherwise be lost; more are made only where all are
            busy.
        snapshots: Most snapshots kept, the latest used of them; 0 keeps none, and states are replayed.
        most: Most environments there may be at once; calls then wait for each other.

    Attributes:
        counts: What was done so far: resets, steps, replayed steps, restored snapshots, environments made and lost.
    """

    def __init__(
        self, make: MakeEnvironment, *, instances: int = 8, snapshots: int = 64, most: int | None = None
    ) -> None:
        self.make = make
        self.counts = Counts()
        self._wanted, self._keep, self._most = instances, snapshots, most
        self._idle: list[Instance] = []
        self._alive = 0
        self._snapshots: OrderedDict[tuple[Instance, Commands], object] = OrderedDict()
        self._first: Observation | None = None
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._closed = False

    async def begin(self, seconds: float) -> tuple[Task, Observation]:
        """The environment's own task, and what is seen at the beginning of an episode.

        Raises:
            WorldError: The environment hangs, raises or returns nonsense.
        """
        begun: tuple[Task, Observation] = await self._use((), seconds, lambda instance, _: instance.begin())
        return begun

    async def step(
        self, before: Sequence[str], command: str, seconds: float, check: Check = anything
    ) -> Observation | Refusal:
        """Carry a command out in the state after others.

        Args:
            before: The commands that lead to the state: those that were understood and not refused.
            command: The command. What the environment refuses is not carried out.
            seconds: Most seconds for all of it.
            check: Says of each command that is replayed, by its index, whether it shows what it showed before.

        Raises:
            WorldError: The environment hangs, raises, returns nonsense, or a replay went otherwise than before.
        """

        def work(instance: Instance, route: Route) -> Observation | Refusal:
            instance.bring(route, check)
            refused = instance.refuses(command)
            return instance.step(command) if refused is None else Refusal(refused)

        seen: Observation | Refusal = await self._use(tuple(before), seconds, work)
        return seen

    def leave(self, commands: Sequence[str]) -> None:
        """Nobody will go on from this state: an instance that stands there may be used for others."""
        with self._lock:
            for instance in self._idle:
                if instance.at == tuple(commands):
                    instance.at = None

    async def aclose(self) -> None:
        """Close what is idle, and what is busy once it is done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._snapshots.clear()
        closing = asyncio.gather(*(in_thread(instance.close) for instance in idle))
        try:
            await asyncio.wait_for(closing, CLOSING)
        except TimeoutError:  # their threads are daemons
            return

    async def _use(self, commands: Commands, seconds: float, work: Callable[[Instance, Route], Any]) -> Any:
        """Let something be done with an instance that can come to a state."""
        instance, route = await self._taken(commands)
        done = False
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                outcome = await in_thread(instance.work, lambda: work(instance, route))
            done = True
            return outcome
        except TimeoutError as error:
            if not clock.expired():
                raise
            raise WorldError(f"the environment gave nothing within {seconds:g} s and was given up") from error
        finally:  # cancelled calls included: nobody knows where their instance stands
            self._give_back(instance, good=done)

    async def _taken(self, commands: Commands) -> tuple[Instance, Route]:
        """An instance and its way to a state; waits for one where there may be no more."""
        while True:
            with self._lock:
                found = self._take(commands)
                if found is not None:
                    return found
                free = asyncio.Event()
                self._waiting.append((asyncio.get_running_loop(), free))
            await free.wait()

    def _take(self, commands: Commands) -> tuple[Instance, Route] | None:
        """The idle instance that is nearest to a state, or a new one; `None` where there may be no more."""
        for known in range(len(commands), -1, -1):
            prefix = commands[:known]
            for instance in self._idle:
                if instance.at == prefix:
                    return self._chosen(instance, Route(commands, known))
            for instance in self._idle:
                snapshot = self._snapshots.get((instance, prefix))
                if snapshot is not None:
                    self._snapshots.move_to_end((instance, prefix))
                    return self._chosen(instance, Route(commands, known, snapshot))
        fresh = Route(commands, reset=True)
        most = self._wanted if self._most is None else min(self._wanted, self._most)
        over = next((instance for instance in self._idle if instance.at is None), None)
        if over is None and self._idle and self._alive >= most:
            over = self._idle[0]  # the one that has been idle for longest
        if over is not None:
            return self._chosen(over, fresh)
        if self._most is not None and self._alive >= self._most:
            return None
        self._alive += 1
        instance = Instance(self.make, self.counts, self._first)
        instance.keeps = self._keep > 0
        return instance, fresh

    def _chosen(self, instance: Instance, route: Route) -> tuple[Instance, Route]:
        self._idle.remove(instance)
        return instance, route

    def _give_back(self, instance: Instance, *, good: bool) -> None:
        if not good:
            self.counts.add(lost=1)
        with self._lock:
            good = good and not self._closed and len(self._idle) < self._wanted
            self._first = self._first or instance.first
            if good:
                self._idle.append(instance)
                for commands, snapshot in instance.kept:
                    self._snapshots[instance, commands] = snapshot
                instance.kept.clear()
                while len(self._snapshots) > self._keep:
                    self._snapshots.popitem(last=False)
            else:
                self._alive -= 1
                for key in [key for key in self._snapshots if key[0] is instance]:
                    del self._snapshots[key]
            waiting, self._waiting = self._waiting, []
        for loop, free in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(free.set)
        if not good:
            instance.give_up()
