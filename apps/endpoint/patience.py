"""An application that does not wait for ever for a client that asks and then takes nothing of the answer.

Nothing but the routes is known of it, and of them only that each tells its errors itself: what Starlette puts around
them for errors takes as long as all the rest of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Router
from starlette.types import Message, Receive, Scope, Send

PATIENCE = 30.0
"""Seconds that a client may take nothing while there is something to send."""

_LOOK = 0.05
"""Seconds between two looks at what is still to be taken."""


class TookNothing(OSError):
    """The client takes nothing of what is sent to it; the connection was cut."""


class Application(Router):
    """Routes, which cut the connection of a client that asks and then takes nothing.

    Args:
        routes: What answers; each tells its errors itself.
        refused: What is told where no route answers.
        patience: Seconds that a client may take nothing while there is something to send.
    """

    def __init__(
        self, routes: Sequence[BaseRoute], refused: Callable[[HTTPException], Response], patience: float
    ) -> None:
        super().__init__(routes)
        self._refused, self._patience = refused, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # ASGI cannot cut a connection, and to close it would wait for the client; Uvicorn's own `send` knows it.
        cycle = getattr(send, "__self__", None)
        transport, flow = getattr(cycle, "transport", None), getattr(cycle, "flow", None)

        async def patient(message: Message) -> None:
            if flow is not None and not flow.write_paused:
                await send(message)  # which waits for nobody
                return
            try:
                async with asyncio.timeout(self._patience):
                    await send(message)
            except TimeoutError as error:
                if transport is not None:
                    transport.abort()
                raise TookNothing from error

        scope["app"] = self  # without it, Starlette tells of what it does not find in words of its own
        with contextlib.suppress(TookNothing):
            try:
                await super().__call__(scope, receive, patient)
            except HTTPException as error:
                await self._refused(error)(scope, receive, patient)
        if transport is not None:
            await self._taken(transport)

    async def _taken(self, transport: asyncio.WriteTransport) -> None:
        """Wait until the client has taken what was sent, or cut it: a server would keep it for as long as it likes."""
        await asyncio.sleep(0)  # what was sent is written now
        left, since = transport.get_write_buffer_size(), time.monotonic()
        while left:
            await asyncio.sleep(_LOOK)
            now = transport.get_write_buffer_size()
            if now < left:
                since = time.monotonic()
            elif time.monotonic() - since > self._patience:
                transport.abort()
                return
            left = now
