"""The server over streamable HTTP, at `/mcp`: guarded, and ended in order.

On SIGTERM or SIGINT new requests are refused while runs under way are answered; a second signal ends at once.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reflectree.apps.mcp_server.guard import HEALTH, Guard
from reflectree.models.http.hosts import Address
from reflectree.models.http.running import GRACE, DrainingServer, on_a_thread, url_of

PATH = "/mcp"
BODY_BYTES = 4 * 2**20
_SESSIONS = 1_000


class McpOverHttp(DrainingServer):
    """One server on one socket.

    Args:
        server: What is served.
        address: The names it is asked under.
        api_key: The key that clients must send.
        grace: Seconds that runs under way have when the server is told to end.
        on_up: Called once requests are answered.
        around: Entered before the first session, left after the last.
    """

    def __init__(
        self,
        server: Server[Any],
        address: Address,
        api_key: str | None = None,
        *,
        grace: float = GRACE,
        on_up: Callable[[], None] = lambda: None,
        around: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        app = server.streamable_http_app(
            streamable_http_path=PATH,
            max_request_body_size=BODY_BYTES,
            max_sessions=_SESSIONS,
            # The guard checks Host and Origin for every path, before anything is read.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            custom_starlette_routes=[Route(HEALTH, _health)],
        )
        self._manager, self._open = server.session_manager, contextlib.AsyncExitStack()
        self._around = around
        guard = Guard(app, address, api_key)
        super().__init__(guard, guard, grace, on_up, begin=self._enter, end=self._open.aclose)

    async def _enter(self) -> None:
        if self._around is not None:
            await self._open.enter_async_context(self._around)
        await self._open.enter_async_context(self._manager.run())


def serve_http(
    server: Server[Any],
    sock: socket.socket,
    *,
    names: Collection[str] = (),
    api_key: str | None = None,
    grace: float = GRACE,
    announce: Callable[[str], None] = lambda url: None,
    around: AbstractAsyncContextManager[None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then the socket is closed.

    Args:
        server: What is served.
        sock: Where, as `models.http.running.bind` makes it. Whether it may be open is the caller's to check.
        names: Further names that clients use for this server.
        api_key: The key that clients must send.
        grace: Seconds that runs under way have at the end.
        announce: Is told the address once requests are answered.
        around: Entered before the first session, left after the last.
    """
    _quiet()
    address = Address(sock.getsockname()[0], names)
    try:
        served = McpOverHttp(
            server, address, api_key, grace=grace, on_up=lambda: announce(url_of(sock) + PATH), around=around
        )
        served.run(sockets=[sock])
    finally:
        sock.close()


@contextlib.contextmanager
def serving_http(
    server: Server[Any],
    sock: socket.socket,
    *,
    api_key: str | None = None,
    grace: float = GRACE,
    around: AbstractAsyncContextManager[None] | None = None,
) -> Iterator[str]:
    """A server on a thread of this process, for tests and notebooks; gives its address."""
    _quiet()
    served = McpOverHttp(server, Address(sock.getsockname()[0]), api_key, grace=grace, around=around)
    with on_a_thread(served, sock, "mcp-server") as url:
        yield url + PATH


def _quiet() -> None:
    """The library tells of each refused request with a warning; clients are told, and that is enough."""
    logging.getLogger("mcp.server.streamable_http").setLevel(logging.ERROR)
    logging.getLogger("mcp.server.transport_security").setLevel(logging.ERROR)


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})
