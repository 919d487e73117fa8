"""The one bridge from synchronous code to the library, which is written async once."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from reflectree.models.background import brief

T = TypeVar("T")


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and return its result.

    In a thread whose event loop already runs (a notebook, an async application) it runs in a thread of its own, and
    this call blocks: use the async twin there. The loop ends with the call, so that Ctrl-C ends all that is under way;
    clients that outlive it work in the background (`reflectree.models.background`).
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        running = False
    else:
        running = True
    if not running:  # outside of the handler: what is raised here has no other error for its context
        return asyncio.run(brief(work))
    context = contextvars.copy_context()  # who is told of the run: callbacks, spans
    outcome: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(context.run(asyncio.run, brief(work)))
        except BaseException as error:  # carried over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=target, name="reflectree")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
