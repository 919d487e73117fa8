"""An event loop whose clock jumps to the next timer: latencies cost nothing, order is exact, and a hang is an error."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Hang(AssertionError):
    """Nothing is scheduled and nothing is ready: the awaited work will never end."""


class _JumpingSelector(selectors.SelectSelector):
    """Never sleeps: where the loop would wait for a timer, time jumps to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:  # no timer: only another thread could still wake the loop
            ready = super().select(2.0)
            if not ready:
                raise Hang("nothing is scheduled: the run hangs")
            return ready
        ready = super().select(0)
        if not ready and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time, in seconds from 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def others() -> list[asyncio.Task[Any]]:
    """The tasks of the running loop that are not done, the current one left out."""
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def turns(count: int = 5) -> None:
    """Let the loop turn a few times."""
    for _ in range(count):
        await asyncio.sleep(0)
