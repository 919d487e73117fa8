"""The endpoint served: until it is told to end, or on a thread of this process.

On SIGTERM or SIGINT new requests are answered with 503 and those under way as ever; what is not done when the time for
it is over is stopped, and a checkpoint keeps it for the next start. A second signal ends at once.
"""

from __future__ import annotations

import contextlib
import gc
import socket
from collections.abc import Callable, Collection, Iterator

from reflectree.apps.endpoint.app import build_app
from reflectree.apps.endpoint.service import Service
from reflectree.models.http.hosts import Address
from reflectree.models.http.limits import check_exposure, is_loopback
from reflectree.models.http.room import Room
from reflectree.models.http.running import GRACE, DrainingServer, bind, on_a_thread, url_of

_GC = (100_000, 20, 50)
"""Objects made between two collections, and how many collections of a generation make one of the next."""


def serve(
    service: Service,
    sock: socket.socket,
    *,
    grace: float = GRACE,
    names: Collection[str] = (),
    connections: Room | None = None,
    announce: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or SIGINT; then the socket and the service are closed.

    Args:
        service: What to serve. Whether its address may be open is the caller's to check, with `check_exposure`.
        sock: Where, as `bind` makes it.
        grace: Seconds that requests under way have at the end.
        names: Further names, in lower case, under which clients may ask a server of this machine without keys.
        connections: Room for connections; for as many as there are descriptors for where absent.
        announce: Is told the address once requests are answered.

    Raises:
        BadInput: The checkpoint cannot be used.
    """

    def up() -> None:
        _spare_garbage()
        announce(url_of(sock))

    try:
        _server(service, grace, up, _address(service, sock, names), connections).run(sockets=[sock])
    finally:
        sock.close()


@contextlib.contextmanager
def serving(service: Service, *, host: str = "127.0.0.1", port: int = 0, grace: float = GRACE) -> Iterator[str]:
    """A server on a thread of this process, for tests, notebooks and benchmarks; gives its address.

    Raises:
        BadInput: The address cannot be used, or is open to a network without a key.
    """
    check_exposure(host, bool(service.keys), insecure=False)
    sock = bind(host, port)
    server = _server(service, grace, lambda: None, _address(service, sock, ()))
    with on_a_thread(server, sock, "endpoint") as url:
        yield url


def _spare_garbage() -> None:
    """Keep the collector from what lives as long as the process: it took a third of the time of short runs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC)


def _address(service: Service, sock: socket.socket, names: Collection[str]) -> Address | None:
    """The names to be asked under: where no key is asked for, a page must not rebind its name to this machine."""
    host = sock.getsockname()[0]
    return Address(host, names) if is_loopback(host) and not service.keys else None


def _server(
    service: Service,
    grace: float,
    on_up: Callable[[], None],
    address: Address | None,
    connections: Room | None = None,
) -> DrainingServer:
    app = build_app(service, address=address)
    return DrainingServer(
        app, service, grace, on_up, begin=service.begin, end=service.end, fast=True, connections=connections
    )
