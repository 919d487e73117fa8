"""Connections that do not wait for ever, nor keep whatever is sent, until a request has been read; and not too many.

Uvicorn waits for a request's head as long as a client likes and, over httptools, keeps head and trailers of any size:
before any key was looked at. Of requests that came together it tells only the latest that their client has hung up.
Its own limit answers 503 to whoever asks while others hold connections and ask nothing; here those make room.
What is done with a request is not known here.
"""

from __future__ import annotations

import asyncio
import importlib.util
from functools import lru_cache
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from reflectree.models.http.room import Room

HEAD_BYTES = 64 * 2**10
"""Bytes in which the head of a request, or what frames a piece of its body, has to be complete; about."""

HEAD_SECONDS = 30.0
"""Seconds in which the head of a request has to be there."""

_REFUSED = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 27\r\nconnection: close\r\n\r\nThe headers are too large.\n"
)


class _Timed:
    """Cuts a connection that neither completes a request's head nor waits for a reply, and one there is no room for."""

    transport: Any
    cycle: Any
    room: Room
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        if not self.room.enter(self):
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self.room.left(self)
        super().connection_lost(exc)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        super().data_received(data)  # type: ignore[misc]
        if self._answering:
            self._stop()
            self.room.busy(self)
        elif self._timer is None:
            self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # type: ignore[misc]
        if not self._answering:
            self.room.idle(self)

    def leave(self) -> None:
        """Make room for another."""
        self.transport.close()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class SlowProtocol(_Timed, H11Protocol):
    """Over h11, which keeps no more of a head than 64 KB by itself."""


@lru_cache(maxsize=1)
def _fast() -> type[asyncio.Protocol]:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class FastProtocol(_Timed, HttpToolsProtocol):
        """Over httptools."""

        _framing = 0
        """Bytes since the last piece of a body, or since the request began."""
        _running: Any = None
        """The request that is answered now, before others that came with it."""

        def connection_lost(self, exc: Exception | None) -> None:
            for cycle in (self._running, *(waiting for waiting, _ in self.pipeline)):
                if cycle is not None and not cycle.response_complete:  # Uvicorn tells the latest alone
                    cycle.disconnected = True
                    cycle.message_event.set()
            super().connection_lost(exc)

        def _start_asgi_task(self, cycle: Any, app: Any) -> None:
            self._running = cycle
            super()._start_asgi_task(cycle, app)

        def data_received(self, data: bytes) -> None:
            self._framing += len(data)
            super().data_received(data)
            if self._framing > HEAD_BYTES and not self.transport.is_closing():
                if not self._answering:
                    self.transport.write(_REFUSED)
                self.transport.close()

        def on_headers_complete(self) -> None:
            self._framing = 0
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._framing = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._framing = 0
            super().on_message_complete()

    return FastProtocol


def protocol(fast: bool, room: Room) -> type[asyncio.Protocol]:
    """What speaks HTTP on each connection of a server; `fast` takes httptools where it is installed."""
    spoken = _fast() if fast and importlib.util.find_spec("httptools") else SlowProtocol
    return cast("type[asyncio.Protocol]", type(spoken.__name__, (spoken,), {"room": room}))
