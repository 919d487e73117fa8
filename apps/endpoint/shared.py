"""A run that several requests may wait for: it ends when it is done, or when the last of them has hung up.

What it carries out, and what is kept of it, is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from reflectree.apps.endpoint.running import Running
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.structure import ReasoningStructure

if TYPE_CHECKING:
    from reflectree.graphs.adapters.replying import Replied
    from reflectree.graphs.live import OnEvent


class Shared:
    """One run and those who wait for it; made inside the event loop that carries it out.

    Args:
        run_id: Its name.
        digest: Of what was asked.
        model: The model that was asked.
        created: Seconds since 1970.
        work: Carries it out, and calls what it is given with each event.
        on_end: Is called once, when it has ended in whatever way.

    Attributes:
        waiting: How many requests wait. One that nobody ever waited for goes on: it was begun before a restart.
    """

    def __init__(
        self,
        run_id: str,
        digest: str,
        model: str,
        created: float,
        work: Callable[[OnEvent], Coroutine[Any, Any, Replied]],
        on_end: Callable[[], None],
    ) -> None:
        self.run_id, self.digest, self.model, self.created = run_id, digest, model, created
        self.waiting = 0
        self._listeners: list[OnEvent] = []
        self.task = asyncio.create_task(work(self._on_event), name=f"run {run_id}")
        self.task.add_done_callback(lambda _: self._ended(on_end))

    def view(self) -> Running:
        """The run as one request sees it."""
        self.waiting += 1
        return Running(self.run_id, self._follow, on_end=self._left)

    async def cancel(self) -> None:
        """End it, and wait until nothing of it is left."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _follow(self, on_event: OnEvent) -> Replied:
        self._listeners.append(on_event)
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if self.waiting == 1 and not self.task.done():  # whoever hangs up last waits until nothing is left of it
                await self.cancel()
            raise
        finally:
            self._listeners.remove(on_event)

    def _left(self) -> None:
        self.waiting -= 1
        if not self.waiting and not self.task.done():
            self.task.cancel()

    def _on_event(self, event: Event, structure: ReasoningStructure) -> None:
        for listener in self._listeners:
            listener(event, structure)

    def _ended(self, on_end: Callable[[], None]) -> None:
        if not self.task.cancelled():
            self.task.exception()  # taken: perhaps nobody waits for it any more
        on_end()
