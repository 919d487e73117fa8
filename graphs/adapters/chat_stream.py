"""A run as a stream: lines of progress while it goes on, and then its reply; for async and for plain iteration.

Whoever stops listening ends the run and its calls. What is streamed to whom is not known here.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from reflectree.graphs.adapters.progress import line_of
from reflectree.graphs.adapters.replying import Replied
from reflectree.graphs.live import OnEvent
from reflectree.models.background import submit
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.structure import ReasoningStructure

T = TypeVar("T")


async def replies_of(
    work: Callable[[OnEvent | None], Awaitable[Replied]], *, progress: bool
) -> AsyncGenerator[str | Replied, None]:
    """Lines of progress, where they are wanted, and last the reply that `work` comes to."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def tell(event: Event, structure: ReasoningStructure) -> None:
        line = line_of(event, structure)
        if line:
            lines.put_nowait(line)

    async def run() -> Replied:
        try:
            return await work(tell if progress else None)
        finally:
            lines.put_nowait(None)

    task = asyncio.create_task(run())
    try:
        while (line := await lines.get()) is not None:
            yield line
        yield await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def threaded(stream: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """An async stream for code that is not async: it runs in the background, and ends when this iterator is closed."""
    out: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
    ended = threading.Event()

    async def pump() -> None:
        try:
            async for item in stream():
                out.put((True, item))
        finally:
            ended.set()

    future = submit(pump())
    future.add_done_callback(lambda done: out.put((False, done)))
    try:
        while True:
            is_item, item = out.get()
            if not is_item:
                item.result()
                return
            yield item
    finally:
        if not future.done():
            future.cancel()
            ended.wait(timeout=10)
