"""The server over standard input and output, for a host that starts it as its child.

Standard output carries the protocol and nothing else: while it serves, whatever a library prints goes to standard
error. It ends when the host closes standard input, and at SIGINT and SIGTERM, which a blocked read must not delay.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from reflectree.apps.interrupting import on_signals


async def serve_stdio(server: Server[Any]) -> bool:
    """Serve one host until it leaves. Returns whether a signal ended it."""
    interrupted = False
    with _input() as lines, anyio.CancelScope() as scope:

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            scope.cancel()

        with on_signals(interrupt):
            async with stdio_server(stdin=cast("Any", lines)) as (reading, writing):
                await server.run(reading, writing, server.create_initialization_options())
    return interrupted


@contextlib.contextmanager
def _input() -> Iterator[AsyncIterator[str]]:
    """The lines of standard input; whoever else reads it meanwhile (a child, a library) finds it empty."""
    own = os.dup(sys.stdin.fileno())
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, sys.stdin.fileno())
    os.close(empty)
    try:
        yield _lines(own)
    finally:
        os.dup2(own, sys.stdin.fileno())
        # `own` stays open: the reading thread may be blocked on it, and its number must not be given to another file.


async def _lines(descriptor: int) -> AsyncIterator[str]:
    """Lines as they come, read by a thread that ends with the process even where it is blocked."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        with contextlib.suppress(OSError), open(descriptor, "rb", closefd=False) as stream:
            for line in stream:
                if line.strip():
                    tell(line.decode("utf-8", errors="replace"))
        tell(None)

    def tell(line: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(arrived.put_nowait, line)

    threading.Thread(target=read, name="mcp-stdin", daemon=True).start()
    while (line := await arrived.get()) is not None:
        yield line
