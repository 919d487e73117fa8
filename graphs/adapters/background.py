"""One event loop in the background for all synchronous calls of chat models.

Clients of other makes keep their connections for a whole process; used from several event loops at once, as sync calls
in several threads would be, they lose them. What is run here is not known.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from reflectree.graphs.bridge import run_sync

T = TypeVar("T")
THREADS = 64
"""Most sync calls that work in the background may wait for at once: chat models without an async client."""

_starting = threading.Lock()
_running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Begin work in the background, in a copy of the caller's context; cancelling the future cancels the work."""
    return asyncio.run_coroutine_threadsafe(work, _loop())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run work to its end and return its result; whatever interrupts the wait cancels the work."""
    if _running is not None and threading.current_thread() is _running[1]:
        return run_sync(work)  # the loop itself would be waited for
    future = submit(work)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _loop() -> asyncio.AbstractEventLoop:
    """The loop, begun where there is none: at first, and in a forked process."""
    global _running
    with _starting:
        if _running is None or not _running[1].is_alive():
            loop = asyncio.new_event_loop()
            loop.set_default_executor(ThreadPoolExecutor(THREADS, "reflectree-sync"))
            thread = threading.Thread(target=_serve, args=(loop,), name="reflectree-background", daemon=True)
            thread.start()
            _running = loop, thread
        return _running[0]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@atexit.register
def _stop() -> None:
    """Close what is open in the loop, so that no connection is left to the interpreter's end."""
    if _running is not None and _running[1].is_alive():
        _running[0].call_soon_threadsafe(_running[0].stop)
        _running[1].join(timeout=5)
