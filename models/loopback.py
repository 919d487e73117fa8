"""A chat-completions server on 127.0.0.1, with latency and faults, for tests and benchmarks.

It speaks the dialect of OpenAI (`/v1/chat/completions`, `/v1/models`), writes what it is told, counts tokens in words,
and goes wrong in every way real servers do. It knows nothing of clients or of the rest of this package's models.
Run `python -m reflectree.models.loopback --help` to have one by hand.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from reflectree.models.base import Choice
from reflectree.rlm_ops.errors import BadInput

FAULTS = ("429", "500", "timeout", "hang", "truncated", "malformed", "empty", "reset")
"""Kinds of fault: refused for now, broken, silent for ever, silent after the headers, a body shorter than announced, a
whole body that is not JSON, an answer without text, a connection cut before the answer."""

Responder = Callable[[dict[str, Any], int], str | Choice]
"""Writes one sample: gets the body of the request and the sample's number from 0."""


@dataclass(slots=True)
class Counters:
    """What a server has seen.

    Attributes:
        requests: Chat requests, faults included.
        answered: Requests answered in full.
        repeated: Requests whose very body had been answered in full before: work paid twice.
        max_in_flight: Most requests under way at once.
        faults: Faults served, by kind.
    """

    requests: int = 0
    answered: int = 0
    repeated: int = 0
    max_in_flight: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The counters as a JSON object."""
        return {
            "requests": self.requests,
            "answered": self.answered,
            "repeated": self.repeated,
            "max_in_flight": self.max_in_flight,
            "faults": dict(self.faults),
        }


class LoopbackServer:
    """The server, to be used as `async with LoopbackServer(...) as server:`.

    Latencies and faults follow from `seed` and the request's number alone.

    >>> import asyncio
    >>> from reflectree.models.base import Message, Request
    >>> from reflectree.models.openai_compatible import OpenAICompatiblePolicy
    >>> async def ask() -> str:
    ...     async with LoopbackServer(reply="8 * 3 = 24") as server:
    ...         policy = OpenAICompatiblePolicy("loopback", base_url=server.base_url)
    ...         reply = await policy.complete(Request((Message("user", "Make 24."),)))
    ...         await policy.aclose()
    ...         return reply.choices[0].text
    >>> asyncio.run(ask())
    '8 * 3 = 24'

    Attributes:
        base_url: Its address, `/v1` included, once it is up.
        counters: What it has seen.
        bodies: The bodies of the last thousand chat requests.
    """

    def __init__(
        self,
        reply: str | Sequence[str | Choice] | Responder = "ok",
        *,
        latency: float = 0.0,
        sigma: float = 0.0,
        faults: Mapping[str, float] | None = None,
        seed: int = 0,
        api_key: str | None = None,
        models: Sequence[str] = ("loopback",),
        refuse: Sequence[str] = (),
        retry_after: str | None = None,
        usage: bool = True,
        port: int = 0,
    ) -> None:
        """Describe the server.

        Args:
            reply: What it writes: one text, texts in turn, or a callable.
            latency: Median seconds an answer takes.
            sigma: Spread of the latency: the standard deviation of its logarithm; 0 makes all answers take the same.
            faults: The share of requests that go wrong, by kind (see `FAULTS`).
            seed: Decides which requests go wrong and how long each takes.
            api_key: The bearer key it asks for.
            models: The models it has; others are unknown.
            refuse: Body fields it answers with 400 and "Unsupported parameter", and `system` for the system role.
            retry_after: The `Retry-After` header of its 429s.
            usage: Whether it counts tokens in its replies.
            port: Where it listens; 0 takes a free port.

        Raises:
            BadInput: `faults` names an unknown kind or adds up to more than 1.
        """
        self.faults = dict(faults or {})
        unknown = set(self.faults) - set(FAULTS)
        if unknown or sum(self.faults.values()) > 1 or min(self.faults.values(), default=0) < 0:
            raise BadInput(f"faults are shares that add up to at most 1, of the kinds {', '.join(FAULTS)}")
        self.base_url = ""
        self.counters = Counters()
        self.bodies: list[dict[str, Any]] = []
        self._respond = _responder(reply)
        self._latency, self._sigma, self._seed = latency, sigma, seed
        self._api_key, self._models, self._refuse = api_key, tuple(models), tuple(refuse)
        self._retry_after, self._usage, self._port = retry_after, usage, port
        self._samples = 0
        self._in_flight = 0
        self._answered: set[int] = set()
        self._runner: web.AppRunner | None = None

    @staticmethod
    def in_process(**options: Any) -> AbstractContextManager[Any]:
        """A server in a process of its own: `with LoopbackServer.in_process(latency=0.2) as server:`.

        Takes the constructor's options, `reply` as a text, a list of texts or `"module:function"` after `reply_from=`.
        What it gives has `base_url` and `counters()`; see `reflectree.models.loopback_process.Remote`.
        """
        from reflectree.models.loopback_process import Remote

        return Remote(**options)

    async def __aenter__(self) -> LoopbackServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def plan(self, number: int) -> tuple[str, float]:
        """The kind of fault (empty for none) and the seconds that request `number`, from 0, has coming."""
        draw = random.Random(self._seed * 1_000_003 + number)
        share = draw.random()
        seconds = self._latency * math.exp(self._sigma * draw.gauss(0.0, 1.0)) if self._latency else 0.0
        edge = 0.0
        for kind, width in self.faults.items():
            edge += width
            if share < edge:
                return kind, seconds
        return "", seconds

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._list)
        app.router.add_get("/admin/counters", self._count)
        # A hanging handler ends when its client hangs up.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        """Cut all connections and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        number = self.counters.requests
        self.counters.requests += 1
        self._in_flight += 1
        self.counters.max_in_flight = max(self.counters.max_in_flight, self._in_flight)
        try:
            return await self._answer(request, raw, number)
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request, raw: bytes, number: int) -> web.StreamResponse:
        fingerprint = hash(raw)
        self.counters.repeated += fingerprint in self._answered
        try:
            body = json.loads(raw)
        except ValueError:
            return _error(400, "the body is not JSON", "invalid_json")
        self.bodies.append(body)
        del self.bodies[:-1000]
        if refusal := self._refusal(request, body):
            return refusal
        kind, seconds = self.plan(number)
        if kind in ("429", "500"):
            self.counters.faults[kind] += 1
            headers = {"Retry-After": self._retry_after} if kind == "429" and self._retry_after else {}
            return _error(int(kind), "slow down" if kind == "429" else "something broke", kind, headers)
        if seconds:
            await asyncio.sleep(seconds)
        if kind:
            self.counters.faults[kind] += 1
            return await self._go_wrong(request, body, kind)
        payload = json.dumps(self._completion(body)).encode()
        self.counters.answered += 1
        self._answered.add(fingerprint)
        return web.Response(body=payload, content_type="application/json")

    def _refusal(self, request: web.Request, body: dict[str, Any]) -> web.Response | None:
        """The 4xx this request earns, if it does."""
        if self._api_key is not None and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            return _error(401, f"Incorrect API key provided: {given}.", "invalid_api_key")
        if body.get("model") not in self._models:
            return _error(404, f"The model `{body.get('model')}` does not exist.", "model_not_found")
        for name in self._refuse:
            if name == "system" and any(turn.get("role") == "system" for turn in body.get("messages", ())):
                return _error(400, "System role not supported", "")
            if name in body:
                said = f"Unsupported parameter: '{name}' is not supported with this model."
                return _error(400, said, "unsupported_parameter", param=name)
        return None

    async def _go_wrong(self, request: web.Request, body: dict[str, Any], kind: str) -> web.StreamResponse:
        if kind == "timeout":
            await asyncio.Event().wait()
        if kind == "reset" and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if kind == "empty":
            return web.json_response(self._completion(body, empty=True))
        payload = json.dumps(self._completion(body)).encode()
        half = payload[: len(payload) // 2]
        if kind == "malformed":
            return web.Response(body=half, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(payload))})
        await response.prepare(request)
        await response.write(half)
        if kind == "hang":
            await asyncio.Event().wait()
        if request.transport is not None:
            request.transport.close()
        return response

    def _completion(self, body: dict[str, Any], empty: bool = False) -> dict[str, Any]:
        choices = [self._sample(body, index, empty) for index in range(body.get("n") or 1)]
        prompt = sum(len(str(turn.get("content", "")).split()) for turn in body.get("messages", ()))
        written = sum(words for _, words in choices)
        usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
        return {
            "id": f"chatcmpl-{self.counters.requests}",
            "object": "chat.completion",
            "created": 0,
            "model": body.get("model"),
            "choices": [choice for choice, _ in choices],
            **({"usage": usage} if self._usage else {}),
        }

    def _sample(self, body: dict[str, Any], index: int, empty: bool) -> tuple[dict[str, Any], int]:
        """One choice and its size in words."""
        said = self._respond(body, self._samples)
        self._samples += 1
        choice = said if isinstance(said, Choice) else Choice(said)
        text, finish = ("", choice.finish) if empty else _limited(choice, body)
        message = {"role": "assistant", "content": text}
        if choice.reasoning:
            message["reasoning_content"] = choice.reasoning
        sample = {"index": index, "message": message, "finish_reason": finish, "logprobs": None}
        if body.get("logprobs"):
            sample["logprobs"] = {"content": [_fake_logprob(word) for word in text.split()]}
        return sample, len(text.split()) + len(choice.reasoning.split())

    async def _list(self, request: web.Request) -> web.Response:
        if self._api_key is not None and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "loopback"} for name in self._models]
        return web.json_response({"object": "list", "data": rows})

    async def _count(self, request: web.Request) -> web.Response:
        return web.json_response(self.counters.to_json())


def _responder(reply: str | Sequence[str | Choice] | Responder) -> Responder:
    if callable(reply):
        return reply
    if isinstance(reply, str):
        return lambda body, index: reply
    return lambda body, index: reply[index % len(reply)]


def _limited(choice: Choice, body: dict[str, Any]) -> tuple[str, str]:
    """The text up to the first stop string and the most words, and why it ends."""
    text, finish = choice.text, choice.finish
    stop = body.get("stop") or ()
    ends = [text.find(word) for word in ([stop] if isinstance(stop, str) else stop)]
    if found := [end for end in ends if end >= 0]:
        text, finish = text[: min(found)], "stop"
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if most is not None and len(text.split()) > most:
        text, finish = " ".join(text.split()[:most]), "length"
    return text, finish


def _fake_logprob(word: str) -> dict[str, Any]:
    """A token with a log-probability that depends on nothing but its text."""
    return {"token": word, "logprob": -(zlib.crc32(word.encode()) % 1000) / 1000, "bytes": None, "top_logprobs": []}


def _error(
    status: int, message: str, code: str, headers: Mapping[str, str] | None = None, param: str | None = None
) -> web.Response:
    body = {"error": {"message": message, "type": "error", "code": code, "param": param}}
    return web.json_response(body, status=status, headers=headers)


if __name__ == "__main__":
    from reflectree.models.loopback_process import main

    main()
