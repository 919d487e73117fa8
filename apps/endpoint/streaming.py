"""A run as server-sent events: its progress as `reasoning_content` while it searches, then the answer, then the bill.

A client that hangs up, or that takes nothing for so long that its connection is cut, ends the run: nobody reads what
it would find.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from reflectree.apps.endpoint.errors import api_error
from reflectree.apps.endpoint.replies import RUN, completion_id, report, tool_calls, usage
from reflectree.apps.endpoint.requests import Chat
from reflectree.apps.endpoint.running import Running
from reflectree.models.http.errors import error_body
from reflectree.models.http.watching import hung_up

if TYPE_CHECKING:
    from reflectree.graphs.adapters.replying import Replied

KEEP_ALIVE = 10.0
"""Seconds of silence after which a comment is sent: proxies cut connections that are silent for longer."""

PIECE = 120
"""Characters of a piece of the answer, about."""

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""A stream is neither kept nor gathered on its way."""


class Stream(Response):
    """The response that follows a run to its end.

    Args:
        running: The run.
        chat: What was asked.
        created: Seconds since 1970.
        keep_alive: Seconds of silence after which a comment is sent.
        on_end: Called once with the status to be counted: 200, that of an error sent within, or 499.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        running: Running,
        chat: Chat,
        created: int,
        *,
        keep_alive: float = KEEP_ALIVE,
        on_end: Callable[[int], None],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**HEADERS, RUN: running.run_id})
        self._running, self._chat, self._created = running, chat, created
        self._keep_alive, self._on_end = keep_alive, on_end
        self._status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it; the run is over afterwards, however that came."""
        sending = asyncio.create_task(self._send(send))
        watching = asyncio.create_task(hung_up(Request(scope, receive)))
        try:
            await asyncio.wait((sending, watching), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done() or sending.exception() is not None:
                self._status = 499
        finally:
            await _end(sending, watching)
            await self._running.cancel()
            self._on_end(self._status)

    async def _send(self, send: Send) -> None:
        """Send the head, every event, and the end.

        Raises:
            OSError: The connection is gone, or was cut.
        """
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._events()) as events:
            async for text in events:
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncGenerator[str]:
        """The events as texts, comments among them."""
        yield self._chunk({"role": "assistant", "content": ""})
        while True:
            lines = await self._running.lines(self._keep_alive)
            if lines:
                yield self._chunk({"reasoning_content": "".join(f"{line}\n" for line in lines)})
            elif self._running.done:
                break
            else:
                yield ": searching\n\n"
        try:
            replied = await self._running.reply()
        except Exception as error:  # the boundary to the client: it is told within the stream
            told = api_error(error)
            self._status = told.status
            yield _event(error_body(told))
            yield "data: [DONE]\n\n"
            return
        for text in self._answer(replied):
            yield text

    def _answer(self, replied: Replied) -> Iterator[str]:
        for piece in pieces(replied.said.text):
            yield self._chunk({"content": piece})
        for index, call in enumerate(tool_calls(replied)):
            yield self._chunk({"tool_calls": [{"index": index, **call}]})
        yield self._chunk({}, finish=replied.finish, reflectree=report(replied.result))
        if self._chat.include_usage:
            yield _event({**self._head(), "choices": [], "usage": usage(replied.result)})
        yield "data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], *, finish: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        nothing = {"usage": None} if self._chat.include_usage else {}
        return _event({**self._head(), "choices": [choice], **nothing, **more})

    def _head(self) -> dict[str, Any]:
        return {
            "id": completion_id(self._running.run_id),
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._chat.model,
        }


def pieces(text: str, size: int = PIECE) -> Iterator[str]:
    """The text in pieces that end with a word, where there is one; joined they are the text."""
    while len(text) > size:
        end = max(text.rfind(" ", 0, size), text.rfind("\n", 0, size)) + 1 or size
        yield text[:end]
        text = text[end:]
    if text:
        yield text


_BREAKS = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"})
"""Line ends of Unicode, which are none of event streams and JSON: many clients take them for some all the same."""


def _event(data: dict[str, Any]) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text if text.isascii() else text.translate(_BREAKS)}\n\n"


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # taken: whoever cares has looked
