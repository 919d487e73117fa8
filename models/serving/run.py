"""Serve: bind an address, answer until told to end, then answer what is under way and end.

On SIGTERM or SIGINT new requests are refused with 503 while those under way are answered; a second SIGINT ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from reflectree.models.scoring.items import Item, ItemRefused
from reflectree.models.serving.app import build_app
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.limits import check_exposure
from reflectree.models.serving.service import Service
from reflectree.rlm_ops.errors import BadInput

GRACE = 30.0
"""Seconds that requests under way have when the server is told to end."""

_BACKLOG = 2048

_KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than clients keep theirs, so that none is closed under a request."""


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


def serve(
    service: Service,
    sock: socket.socket,
    *,
    grace: float = GRACE,
    announce: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or SIGINT; then the socket and the engine are closed.

    Args:
        service: What to serve. Whether its address may be open is the caller's to check, with `check_exposure`.
        sock: Where, as `bind` makes it.
        grace: Seconds that requests under way have at the end.
        announce: Is told the address once requests are answered.
    """
    try:
        warm_up(service.engine)
        _Server(service, grace, lambda: announce(url_of(sock))).run(sockets=[sock])
    finally:
        sock.close()
        service.engine.close(drain=False)


@contextlib.contextmanager
def serving(service: Service, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """A server on a thread of this process, for tests, notebooks and benchmarks; gives its address.

    The engine stays open: it is the caller's.

    Raises:
        BadInput: The address cannot be used, or is open to a network without a key.
    """
    check_exposure(host, service.api_key, insecure=False)
    sock = bind(host, port)
    up = threading.Event()
    server = _Server(service, GRACE, up.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="value-server")
    thread.start()
    try:
        up.wait(GRACE)
        yield url_of(sock)
    finally:
        server.stop()
        thread.join()
        sock.close()


def warm_up(engine: ScoringEngine) -> None:
    """Score once, so that the first request finds the model's kernels and caches ready.

    Raises:
        BadInput: The model cannot score at all.
    """

    async def once() -> None:
        for item in (Item("1 + 1", ("2",)), Item("1 + 1", ("2",), ("3",))):
            # One that the model is not made for is refused; which, only the model knows.
            with contextlib.suppress(ItemRefused):
                await engine.score([item])

    with asyncio.Runner() as runner:
        runner.run(once())


class _Server(uvicorn.Server):
    """Uvicorn, which stops to listen first and answers afterwards; this one answers 503 until all is answered."""

    def __init__(self, service: Service, grace: float, on_up: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                build_app(service),
                http="h11",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE,
            )
        )
        self._service, self._grace, self._on_up = service, grace, on_up

    def stop(self) -> None:
        """Tell it to end, from any thread."""
        self._service.draining = True
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: refuse from now on."""
        self._service.draining = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is under way while others are refused, then stop listening."""
        self._captured_signals.clear()  # they were asked for and are carried out: the process ends with 0
        until = time.monotonic() + self._grace
        while self._service.in_flight and time.monotonic() < until and not self.force_exit:  # noqa: ASYNC110 - signals set it
            await asyncio.sleep(0.02)
        self.config.timeout_graceful_shutdown = max(1, int(until - time.monotonic()))
        await super().shutdown(sockets)
