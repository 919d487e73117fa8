"""One event loop in the background: for clients of other makes, and for synchronous calls of LangChain adapters.

Such clients keep their connections for a whole process; used from several event loops, as sync calls in a row or in
several threads would be, they lose them. A synchronous call from within the work of the loop (an evaluator that asks
a chat model) blocks it, so it gets a second loop, and one from within that a third. What is run here is not known.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
THREADS = 64
"""Most sync calls that work in the background may wait for at once: chat models without an async client."""

_starting = threading.Lock()
_running: list[tuple[asyncio.AbstractEventLoop, threading.Thread]] = []
"""The loops: each is for calls from within the work of the one before it."""
_depth: ContextVar[int] = ContextVar("reflectree_background", default=0)
"""How many of the loops the caller's work may be waited for by; contexts carry it into threads, too."""
_brief: ContextVar[bool] = ContextVar("reflectree_brief", default=False)
"""Whether the caller's loop was made for one call, and ends with it."""


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Begin work in the background, in a copy of the caller's context; cancelling the future cancels the work."""
    depth = _depth.get()

    async def within() -> T:
        _depth.set(depth + 1)
        _brief.set(False)
        return await work

    return asyncio.run_coroutine_threadsafe(within(), _loop(depth))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run work to its end and return its result; whatever interrupts the wait cancels the work."""
    future = submit(work)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def brief(work: Coroutine[Any, Any, T]) -> T:
    """Await work in a loop that is made for it and ends with it."""
    _brief.set(True)
    return await work


async def lasting(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await work that keeps connections: in the background where the loop around us ends with the call, else here."""
    if not _brief.get():
        return await work()
    return await asyncio.wrap_future(submit(work()))


def _loop(depth: int) -> asyncio.AbstractEventLoop:
    """The loop of a depth, begun where there is none: at first, and in a forked process."""
    with _starting:
        if depth < len(_running) and not _running[depth][1].is_alive():
            _running.clear()  # a fork has none of its parent's threads
        while depth >= len(_running):
            loop = asyncio.new_event_loop()
            loop.set_default_executor(ThreadPoolExecutor(THREADS, "reflectree-sync"))
            thread = threading.Thread(target=_serve, args=(loop,), name="reflectree-background", daemon=True)
            thread.start()
            _running.append((loop, thread))
        return _running[depth][0]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@atexit.register
def _stop() -> None:
    """Close what is open in the loops, so that no connection is left to the interpreter's end."""
    for loop, thread in reversed(_running):
        if thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout=5)
