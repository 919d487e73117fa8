"""Following a run that goes on: its events so far, and a stream of what is added, as the page takes it in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from reflectree.apps.viewer.data import Chunk, Encoder
from reflectree.apps.viewer.html import as_json
from reflectree.apps.viewer.sources import Following
from reflectree.rlm_ops.events import Answered, Event

INTERVAL = 0.25
"""Seconds between two looks at the source, at least."""
SHARE = 0.2
"""The share of its time that looking may take."""
SILENCE = 10.0
"""Seconds after which a sign of life is sent where nothing happens."""
NO_PROMPTS = "Not in the trace; rebuilt where a run is opened without --live."
"""Said in place of prompts."""


class Feed:
    """The events of a followed run, read once however many pages look on.

    Args:
        source: The run.
        interval: Seconds between two looks.
    """

    def __init__(self, source: Following, interval: float = INTERVAL) -> None:
        self.source = source
        self.events: list[Event] = []
        self._interval = interval
        self._lock = asyncio.Lock()
        self._next = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.source.problem) or bool(self.events and isinstance(self.events[-1], Answered))

    async def look(self) -> None:
        """Read what is new, unless somebody has just looked."""
        async with self._lock:
            if self.ended or time.monotonic() < self._next:
                return
            began = time.monotonic()
            self.events += await asyncio.to_thread(self.source.fresh)
            took = time.monotonic() - began
            self._next = time.monotonic() + max(self._interval, took / SHARE)

    def encoder(self) -> Encoder:
        """A fresh encoder of the run."""
        return Encoder(self.source.run_id)

    async def first(self) -> Chunk:
        """All there is so far."""
        await self.look()
        encoder = self.encoder()
        encoder.problems += [self.source.problem] if self.source.problem else []
        return encoder.add(self.events) | {"prompts": {"texts": [], "why": NO_PROMPTS}}

    async def stream(self, start: int) -> AsyncIterator[str]:
        """Server-sent events: what comes after the first `start` events, until the run ends."""
        encoder = self.encoder()
        encoder.add(self.events[:start])  # the page has these, and numbers texts as this does
        sent, busy, spoken = start, None, time.monotonic()
        while True:
            await self.look()
            ended, now_busy = self.ended, sorted(map(tuple, self.source.busy))
            if len(self.events) > sent or now_busy != busy or ended:
                message: dict[str, Any] = {"busy": now_busy, "ended": ended}
                if self.source.problem and self.source.problem not in encoder.problems:
                    encoder.problems.append(self.source.problem)
                if len(self.events) > sent or ended:
                    message["chunk"] = encoder.add(self.events[sent:])
                sent, busy, spoken = len(self.events), now_busy, time.monotonic()
                yield f"data: {as_json(message)}\n\n"
            if ended:
                return
            if time.monotonic() - spoken > SILENCE:
                spoken = time.monotonic()
                yield ": still here\n\n"
            await asyncio.sleep(self._interval)
