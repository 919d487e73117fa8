"""An application that does not wait for ever for a client that asks and then takes nothing of the answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

PATIENCE = 30.0
"""Seconds that a client may take nothing while there is something to send."""

_LOOK = 0.05
"""Seconds between two looks at what is still to be taken."""


class TookNothing(OSError):
    """The client takes nothing of what is sent to it; the connection was cut."""


class Application(Starlette):
    """Starlette, which cuts the connection of a client that asks and then takes nothing.

    Args:
        patience: Seconds that a client may take nothing while there is something to send.
    """

    def __init__(self, patience: float, **options: Any) -> None:
        super().__init__(**options)
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # ASGI cannot cut a connection, and to close it would wait for the client; Uvicorn's own `send` knows it.
        transport = getattr(getattr(send, "__self__", None), "transport", None)

        async def patient(message: Message) -> None:
            try:
                async with asyncio.timeout(self._patience):
                    await send(message)
            except TimeoutError as error:
                if transport is not None:
                    transport.abort()
                raise TookNothing from error

        with contextlib.suppress(TookNothing):
            await super().__call__(scope, receive, patient)
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
