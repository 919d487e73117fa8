"""A real server on loopback over the smallest service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.apps.endpoint.small_service import SmallService, scripted, serving

ASK = {"model": "cot", "messages": [{"role": "user", "content": "Make 24 of 6 and 4."}]}


@dataclass
class Client:
    """What a test asks a server with."""

    url: str
    http: httpx.Client
    service: SmallService

    def ask(self, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        return self.http.post("/v1/chat/completions", json={**ASK, **fields}, headers=headers)

    def events(self, headers: dict[str, str] | None = None, **fields: Any) -> list[Any]:
        """The events of a stream, `[DONE]` last and left out."""
        reply = self.ask(headers, **fields, stream=True)
        assert reply.status_code == 200, reply.text
        assert reply.headers["content-type"].startswith("text/event-stream")
        *events, done, rest = reply.text.split("\n\n")
        assert (done, rest) == ("data: [DONE]", "")
        return [json.loads(event.removeprefix("data: ")) for event in events if not event.startswith(":")]


def refused(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error in a reply, in OpenAI's form."""
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
    error: dict[str, Any] = reply.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["message"]
    assert "\n" not in error["message"]
    return error


Start = Callable[..., Client]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers; they end with the test."""
    with ExitStack() as stack:

        def begin(service: SmallService | None = None, **options: Any) -> Client:
            service = service or scripted()
            url = stack.enter_context(serving(service, **options))
            http = stack.enter_context(httpx.Client(base_url=url, timeout=30, trust_env=False))
            return Client(url, http, service)

        yield begin
