"""Serve: bind an address, answer until told to end, then answer what is under way and end.

On SIGTERM or SIGINT new requests are refused with 503 while those under way are answered; a second SIGINT ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

from reflectree.models.http.limits import check_exposure
from reflectree.models.http.running import GRACE, DrainingServer, bind, on_a_thread, url_of
from reflectree.models.scoring.items import Item, ItemRefused
from reflectree.models.serving.app import build_app
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.service import Service


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
        DrainingServer(build_app(service), service, grace, lambda: announce(url_of(sock))).run(sockets=[sock])
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
    check_exposure(host, service.api_key is not None, insecure=False)
    sock = bind(host, port)
    server = DrainingServer(build_app(service), service, GRACE, lambda: None)
    with on_a_thread(server, sock, "value-server") as url:
        yield url


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


__all__ = ["GRACE", "bind", "serve", "serving", "url_of", "warm_up"]
