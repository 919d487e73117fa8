"""A socket, a server on it, and its end: what is under way is answered while others are refused.

On SIGTERM or SIGINT new requests are refused with 503 while those under way are answered; a second signal ends at once.
What is served is not known here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

import uvicorn

from reflectree.models.http.heads import protocol
from reflectree.models.http.room import Room, room
from reflectree.rlm_ops.errors import BadInput

GRACE = 30.0
"""Seconds that requests under way have when the server is told to end."""

_BACKLOG = 2048

_KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than clients keep theirs, so that none is closed under a request."""


class Draining(Protocol):
    """What is served, as far as its end needs to know it.

    Attributes:
        draining: The server was asked to end: nothing new is begun.
        in_flight: Requests under way.
    """

    draining: bool

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        ...


async def _nothing() -> None:
    return None


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one.

    Raises:
        BadInput: The port is in use, or the address is none of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError, OverflowError) as error:
        raise BadInput(f"cannot listen on {host}:{port}: {error}; give another --host or --port") from error
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            said = f"port {port} of {host} is in use: give another --port, or 0 for a free one"
            raise BadInput(said) from error
        raise BadInput(f"cannot listen on {host}:{port}: {error.strerror}; give another --host or --port") from error
    sock.setblocking(False)
    return sock


def url_of(sock: socket.socket) -> str:
    """The address of a socket, for clients on this machine."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class DrainingServer(uvicorn.Server):
    """Uvicorn, which stops to listen first and answers afterwards; this one answers 503 until all is answered.

    Args:
        app: The ASGI application.
        service: What it serves: told that it drains, asked what is under way.
        grace: Seconds that requests under way have at the end.
        on_up: Called once requests are answered.
        begin: Awaited before that, in the server's event loop.
        end: Awaited at the end, when no request is under way; what is under way still is cut after it.
        fast: Whether to use uvloop and httptools where they are installed.
        connections: Room for connections; for as many as there are descriptors for where absent.
    """

    def __init__(
        self,
        app: Any,
        service: Draining,
        grace: float,
        on_up: Callable[[], None],
        *,
        begin: Callable[[], Awaitable[None]] = _nothing,
        end: Callable[[], Awaitable[None]] = _nothing,
        fast: bool = False,
        connections: Room | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol(fast, connections or room()),
                loop="auto" if fast else "asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE,
            )
        )
        self._service, self._grace, self._on_up = service, grace, on_up
        self._begin, self._end = begin, end

    def stop(self) -> None:
        """Tell it to end, from any thread."""
        self._service.draining = True
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: refuse from now on; at the second one, end at once."""
        self._service.draining = True
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await self._begin()
        await super().startup(sockets)
        self._on_up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is under way while others are refused, then stop listening."""
        until = time.monotonic() + self._grace
        while self._service.in_flight and time.monotonic() < until and not self.force_exit:  # noqa: ASYNC110 - signals set it
            await asyncio.sleep(0.02)
        try:
            await self._end()
        finally:
            self.config.timeout_graceful_shutdown = max(1, int(until - time.monotonic()))
            await super().shutdown(sockets)


@contextmanager
def on_a_thread(server: DrainingServer, sock: socket.socket, name: str) -> Iterator[str]:
    """Run a server on a thread of this process; gives its address.

    Raises:
        RuntimeError: It did not come up.
    """
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name=name)
    thread.start()
    until = time.monotonic() + GRACE
    try:
        while not server.started and thread.is_alive() and time.monotonic() < until:
            time.sleep(0.005)
        if not server.started:
            raise RuntimeError(f"the {name} did not come up: see its message above")
        yield url_of(sock)
    finally:
        server.stop()
        thread.join()
        sock.close()
