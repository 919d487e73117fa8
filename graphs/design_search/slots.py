"""Room for so many calls at once, of which each taker takes its share, first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Slots:
    """A semaphore of which several places are taken at once. A large taker is not overtaken by small ones.

    Args:
        total: Places.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def take(self, count: int) -> AsyncIterator[None]:
        """Hold so many places, at most all."""
        count = max(1, min(count, self.total))
        await self._acquire(count)
        try:
            yield
        finally:
            self._free += count
            self._wake()

    async def _acquire(self, count: int) -> None:
        if not self._waiting and self._free >= count:
            self._free -= count
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its places were given to it just now
                self._free += count
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting:
            count, turn = self._waiting[0]
            if turn.done():
                self._waiting.popleft()
            elif self._free >= count:
                self._waiting.popleft()
                self._free -= count
                turn.set_result(None)
            else:
                return
