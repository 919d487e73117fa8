"""Calls that come together become one request: siblings scored by parallel agents are one batch at the server.

An item waits a few milliseconds for others, or until as many wait as a request may hold; where as many requests are
in flight as may be, it waits for one of them to end. Each event loop has a queue of its own. Knows no HTTP, no model.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from reflectree.models.batching import Closed

T = TypeVar("T")
R = TypeVar("R")

WINDOW_S = 0.003
"""Seconds an item waits for others, at most: siblings of one superstep arrive within a millisecond."""


@dataclass(slots=True)
class _Entry(Generic[T, R]):
    item: T
    outcome: asyncio.Future[R]


@dataclass(slots=True)
class _Desk(Generic[T, R]):
    """What one event loop waits for."""

    waiting: deque[_Entry[T, R]] = field(default_factory=deque)
    running: dict[asyncio.Task[None], list[_Entry[T, R]]] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Coalescer(Generic[T, R]):
    """Gathers items into requests.

    Args:
        send: Carries out one request: one result an item, in order. An exception that it raises is every item's.
        most: The most items a request may hold; it may be lowered at any time.
        window: Seconds an item waits for others, at most.
        at_once: The most requests in flight, for each event loop.
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        most: int = 64,
        window: float = WINDOW_S,
        at_once: int = 8,
    ) -> None:
        self.most, self.window, self.at_once = most, window, at_once
        self._send = send
        self._desks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Desk[T, R]] = weakref.WeakKeyDictionary()

    async def submit(self, items: Sequence[T]) -> list[R]:
        """The items' results, in order. A caller that is cancelled withdraws its items; a request without any is cut.

        Raises:
            Closed: The client was closed meanwhile.
            Exception: What `send` raised for the first of them.
        """
        if not items:
            return []
        loop = asyncio.get_running_loop()
        desk = self._desks.setdefault(loop, _Desk())
        entries = [_Entry[T, R](item, loop.create_future()) for item in items]
        desk.waiting.extend(entries)
        self._begin(desk, self.most)
        if desk.waiting and desk.timer is None:
            desk.timer = loop.call_later(self.window, self._due, desk)
        try:
            await asyncio.wait([entry.outcome for entry in entries])
        except asyncio.CancelledError:
            self._withdraw(desk, entries)
            raise
        faults = [entry.outcome.exception() for entry in entries]  # all are looked at: none is "never retrieved"
        for fault in faults:
            if fault is not None:
                raise fault
        return [entry.outcome.result() for entry in entries]

    async def aclose(self) -> None:
        """Cut what is in flight on this event loop; whoever waits is told (`Closed`)."""
        desk = self._desks.pop(asyncio.get_running_loop(), None)
        if desk is None:
            return
        if desk.timer is not None:
            desk.timer.cancel()
        cut = [*(entry for chunk in desk.running.values() for entry in chunk), *desk.waiting]
        desk.waiting.clear()
        for entry in cut:
            if not entry.outcome.done():
                entry.outcome.set_exception(Closed("the value model was closed before this was scored"))
        running = list(desk.running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _due(self, desk: _Desk[T, R]) -> None:
        desk.timer = None
        self._begin(desk, 1)

    def _begin(self, desk: _Desk[T, R], least: int) -> None:
        """Send what waits, as long as it is at least so much and a request may be added to those in flight."""
        while len(desk.waiting) >= least and desk.waiting and len(desk.running) < self.at_once:
            chunk = [desk.waiting.popleft() for _ in range(min(self.most, len(desk.waiting)))]
            task = asyncio.get_running_loop().create_task(self._carry_out(chunk))
            desk.running[task] = chunk
            task.add_done_callback(lambda done: self._ended(desk, done))

    def _ended(self, desk: _Desk[T, R], task: asyncio.Task[None]) -> None:
        desk.running.pop(task, None)
        # Without a timer those that wait have waited their time: it is this request that they waited for.
        self._begin(desk, self.most if desk.timer is not None else 1)

    async def _carry_out(self, chunk: list[_Entry[T, R]]) -> None:
        try:
            results = await self._send([entry.item for entry in chunk])
            if len(results) != len(chunk):
                raise RuntimeError(f"{len(results)} results for {len(chunk)} items")
        except Exception as error:  # whoever asked is told
            for entry in chunk:
                if not entry.outcome.done():
                    entry.outcome.set_exception(error)
            return
        for entry, result in zip(chunk, results, strict=True):
            if not entry.outcome.done():
                entry.outcome.set_result(result)

    def _withdraw(self, desk: _Desk[T, R], entries: Sequence[_Entry[T, R]]) -> None:
        """Give up items: those that wait are not sent, a request that nobody waits for is cut."""
        for entry in entries:
            entry.outcome.cancel()
        desk.waiting = deque(entry for entry in desk.waiting if not entry.outcome.cancelled())
        if not desk.waiting and desk.timer is not None:
            desk.timer.cancel()
            desk.timer = None
        for task, chunk in list(desk.running.items()):
            if all(entry.outcome.cancelled() for entry in chunk):
                task.cancel()
