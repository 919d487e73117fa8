"""Who may ask over HTTP: the Host and Origin headers, the key, and whether the server is ending.

A page of another site that rebinds its name to 127.0.0.1 still sends its own name: requests whose `Host` is not one of
this server's are refused, and so are those whose `Origin` is. It also notices when a client hangs up.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from urllib.parse import urlsplit

from mcp import types
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reflectree.apps.mcp_server.server import GONE
from reflectree.models.http.hosts import Address

HEALTH = "/health"
"""Answers without a key: whether the server is up, and nothing else."""


class Guard:
    """Stands before the protocol.

    Args:
        app: What is guarded.
        address: Its own names.
        api_key: The key that clients must send; `None` asks for none.

    Attributes:
        draining: The server is ending: nothing new is begun.
        in_flight: Requests under way, the streams that clients only listen on left out.
    """

    def __init__(self, app: ASGIApp, address: Address, api_key: str | None) -> None:
        self.draining, self.in_flight = False, 0
        self._app, self._address = app, address
        self._key = None if api_key is None else api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or hand on."""
        if scope["type"] != "http":
            return  # neither websockets nor a lifespan of its own are offered
        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        gone = scope[GONE] = asyncio.Event()

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        counted = int(scope["method"] == "POST")
        self.in_flight += counted
        try:
            await self._app(scope, heard, send)
        finally:
            self.in_flight -= counted

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.getlist("host"), headers.get("origin")
        if len(host) != 1 or not self._address.serves(host[0]):
            return _refused(421, "this server is not asked under that Host: see --allow-host")
        if origin is not None and not self._address.serves(urlsplit(origin).netloc):
            return _refused(403, "pages of that Origin may not ask this server: see --allow-host")
        if scope["path"] == HEALTH:
            return None
        if self._key is not None and not self._known(headers):
            said = "this server asks for a key: send the header 'Authorization: Bearer KEY' with the right one"
            return _refused(401, said, {"WWW-Authenticate": "Bearer"})
        if self.draining and scope["method"] == "POST":
            return _refused(503, "the server is shutting down: ask another", {"Retry-After": "5"})
        return None

    def _known(self, headers: Headers) -> bool:
        """Compare the key in a time that tells nothing of it."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Headers are told as latin-1, whatever their bytes mean.
        sent = given.strip(" ").encode("latin-1")
        return hmac.compare_digest(sent, self._key or b"") and scheme.lower() == "bearer"


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """A refusal in the protocol's form of an error."""
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": types.INVALID_REQUEST, "message": message}}
    return Response(json.dumps(body), status, headers, media_type="application/json")
