"""Many callers, one thread that owns a model: calls that come together are carried out together.

The thread takes what waits, oldest first, up to a budget of cost (tokens, rows); it lingers a moment where little
waits, so that siblings asked for in one superstep share one forward pass. It knows no model and no event loop: callers
of any loop, or of none, may share it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from reflectree.rlm_ops.errors import ReflectreeError

T = TypeVar("T")
R = TypeVar("R")


class Overloaded(ReflectreeError):
    """Too much waits already; try again later."""


class Closed(ReflectreeError):
    """The batcher was closed; what waited was not carried out."""


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    cost: float
    future: Future[R] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Batcher(Generic[T, R]):
    """Carries out items in batches, on one thread.

    Args:
        run: Carries out a batch: one result an item, in order. An exception as a result is that item's alone; one that
            is raised is every item's.
        cost: What an item costs.
        budget: The most a batch may cost; an item that costs more is a batch of its own.
        window: Seconds an item waits for others to come, at most.
        waiting: The most items that may wait; `None` means no limit.
        name: The thread's name.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Sequence[R | BaseException]],
        *,
        cost: Callable[[T], float] = lambda item: 1.0,
        budget: float = 64.0,
        window: float = 0.002,
        waiting: int | None = None,
        name: str = "batcher",
    ) -> None:
        self._run, self._cost, self.budget, self.window = run, cost, budget, window
        self.waiting, self._name = waiting, name
        self._queue: deque[_Waiting[T, R]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def depth(self) -> int:
        """Items that wait."""
        return len(self._queue)

    def put(self, items: Sequence[T]) -> list[Future[R]]:
        """Hand items in, all or none; their futures. A future that is cancelled before its turn costs nothing.

        Raises:
            Overloaded: They would be more than may wait.
            Closed: The batcher was closed.
        """
        entries = [_Waiting[T, R](item, self._cost(item)) for item in items]
        with self._changed:
            if self._closed:
                raise Closed("the model was closed: build a new one")
            if self.waiting is not None and len(self._queue) + len(entries) > self.waiting:
                raise Overloaded(f"{len(self._queue)} items wait already: try again in a moment, or send fewer at once")
            self._queue.extend(entries)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return [entry.future for entry in entries]

    async def submit(self, items: Sequence[T]) -> list[R]:
        """Hand items in and wait for their results; a caller that is cancelled withdraws what has not begun.

        Raises:
            BaseException: The first error among the results.
        """
        futures = self.put(items)
        try:
            return list(await asyncio.gather(*map(asyncio.wrap_future, futures)))
        finally:
            if any([future.cancel() for future in futures]):  # all of them
                self._withdraw()

    def _withdraw(self) -> None:
        """Let go of what was cancelled: it takes nobody's place in the queue."""
        with self._changed:
            kept = [entry for entry in self._queue if not entry.future.cancelled()]
            self._queue.clear()
            self._queue.extend(kept)

    def close(self, drain: bool = True) -> None:
        """End the thread; what waits is carried out first, or refused where `drain` is false."""
        with self._changed:
            self._closed = True
            refused = [] if drain else list(self._queue)
            if not drain:
                self._queue.clear()
            self._changed.notify()
        for entry in refused:
            if entry.future.set_running_or_notify_cancel():
                entry.future.set_exception(Closed("the model was closed before this was carried out"))
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            running = [entry for entry in batch if entry.future.set_running_or_notify_cancel()]
            if not running:
                continue
            try:
                results: Sequence[R | BaseException] = self._run([entry.item for entry in running])
                if len(results) != len(running):
                    raise RuntimeError(f"{len(results)} results for {len(running)} items")
            except BaseException as error:  # the boundary to the model: whoever asked is told
                results = [error] * len(running)
            for entry, result in zip(running, results, strict=True):
                if isinstance(result, BaseException):
                    entry.future.set_exception(result)
                else:
                    entry.future.set_result(result)

    def _next(self) -> list[_Waiting[T, R]]:
        """The next batch; empty at the end."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            if not self._queue:
                return []
            until = self._queue[0].since + self.window
            while not self._closed and sum(entry.cost for entry in self._queue) < self.budget:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            batch = [self._queue.popleft()]
            cost = batch[0].cost
            while self._queue and cost + self._queue[0].cost <= self.budget:
                batch.append(self._queue.popleft())
                cost += batch[-1].cost
            return batch
