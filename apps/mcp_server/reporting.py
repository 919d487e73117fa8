"""What a client is told while a run goes on: how many calls are spent, and one line of what happened last.

Sending never holds the search up: events leave a line here, and a task of its own sends the latest at its own pace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from reflectree.apps.terminal import one_line
from reflectree.graphs.adapters.progress import line_of
from reflectree.rlm_ops.events import Began, Event
from reflectree.rlm_ops.structure import ReasoningStructure

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends one notification: progress, total, message."""

PACE = 0.1
"""Least seconds between two notifications."""


class Reporter:
    """Reports on one run.

    Args:
        report: Sends a notification; it is awaited.
        total: The cap on calls, where there is one.
        opening: The first message.
    """

    def __init__(self, report: Report, total: int | None, opening: str) -> None:
        self._report, self._total = report, total
        self._calls, self._line = 0, opening
        self._fresh = asyncio.Event()
        self._fresh.set()

    def on_event(self, event: Event, structure: ReasoningStructure) -> None:
        """Take a look at what happened."""
        line = None if isinstance(event, Began) else line_of(event, structure)
        if line is not None:
            self._line = one_line(line)
        self._calls = structure.usage.calls
        self._fresh.set()

    async def send(self) -> None:
        """Send what there is to be told, until cancelled. Progress increases with each notification."""
        last = -1
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            if self._calls > last:
                last = self._calls
                await self._report(float(last), None if self._total is None else float(self._total), self._line)
                await asyncio.sleep(PACE)
