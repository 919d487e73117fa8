"""A real server on loopback over a scorer without a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.support.fake_scorer import FakeScorer

from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.run import serving
from reflectree.models.serving.service import Service


@dataclass
class Client:
    """What a test asks a server with."""

    url: str
    http: httpx.Client
    scorer: FakeScorer
    service: Service

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.http.post(path, content=content, headers={"content-type": "application/json", **headers})

    def ok(self, path: str, body: Any) -> Any:
        reply = self.post(path, body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def refused(self, path: str, body: Any, status: int, code: str) -> dict[str, Any]:
        """The error, whose form is checked."""
        return told(self.post(path, body), status, code)


def told(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
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
        yield lambda scorer=None, **options: _start(stack, scorer or FakeScorer(), **options)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A server that a whole module shares."""
    with ExitStack() as stack:
        yield _start(stack, FakeScorer())


def _start(stack: ExitStack, scorer: FakeScorer, **options: Any) -> Client:
    engine_options = {
        name: options.pop(name) for name in ("max_batch_tokens", "max_queue", "window") if name in options
    }
    engine = ScoringEngine(scorer, **engine_options)
    stack.callback(engine.close, False)
    service = Service(engine, **options)
    url = stack.enter_context(serving(service))
    http = stack.enter_context(httpx.Client(base_url=url, timeout=30, trust_env=False))
    return Client(url, http, scorer, service)
