"""A server of scores on 127.0.0.1, in all dialects that clients speak, with latency and everything that goes wrong."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from aiohttp import web

SCORING = ("/v1/value", "/pooling", "/classify", "/predict", "/v1/decisions")


def value_of(question: str, steps: Sequence[str]) -> float:
    """A score that depends on the texts alone."""
    return zlib.crc32(json.dumps([question, *steps]).encode()) % 1000 / 1000


class ValueLoopback:
    """The server, as `async with ValueLoopback(...) as server:`.

    Args:
        faults: What goes wrong, by the number of the scoring request; from the last on all is well. `ok`, `429`, `503`,
            `oom`, `broken` (500 that is final), `malformed`, `shape`, `short`, `reset`, `timeout`, `401`, `nan`,
            `range`, `many`, `null`.
        always: Keep going wrong in turn.
        latency: Seconds an answer takes.
        most: The most items of a request; more are refused with 413.
        refuse: Whether an item is refused, by its steps.
        named: The refusal says which item it is about.
        value: What an item is worth.
        kind: What the model is, as the list of models tells.
        api_key: The key it asks for.
    """

    def __init__(
        self,
        faults: Sequence[str] = (),
        *,
        always: bool = False,
        latency: float = 0.0,
        most: int = 1000,
        refuse: Callable[[Sequence[str]], bool] = lambda steps: False,
        named: bool = True,
        value: Callable[[str, Sequence[str]], float] = value_of,
        kind: str = "value-head",
        per_step: bool = True,
        api_key: str | None = None,
        models: Sequence[str] = ("m",),
    ) -> None:
        self.faults, self.always, self.latency, self.most = list(faults), always, latency, most
        self.refuse, self.named, self.value = refuse, named, value
        self.kind, self.per_step, self.api_key, self.models = kind, per_step, api_key, models
        self.base_url = ""
        self.bodies: list[dict[str, Any]] = []
        self.listed = 0
        self.in_flight = self.most_in_flight = self.hung_up = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> ValueLoopback:
        app = web.Application()
        for path in SCORING:
            app.router.add_post(path, self._score)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/info", self._models)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @contextmanager
    def in_thread(self) -> Iterator[ValueLoopback]:
        """The server beside a test that is not async."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.__aenter__(), loop).result(10)
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self.__aexit__(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    @property
    def sizes(self) -> list[int]:
        """How many items each request had."""
        return [len(body.get("items") or body.get("inputs") or (1,)) for body in self.bodies]

    async def _models(self, request: web.Request) -> web.Response:
        self.listed += 1
        if self.api_key is not None and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return _error(401, "no key", "invalid_api_key")
        if request.path == "/info":
            return web.json_response({"model_id": self.models[0]})
        rows = [{"id": name, "object": "model", "kind": self.kind, "per_step": self.per_step} for name in self.models]
        return web.json_response({"object": "list", "data": rows})

    async def _score(self, request: web.Request) -> web.StreamResponse:
        number = len(self.bodies)
        self.bodies.append(await request.json())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
            return await self._answer(request, self.bodies[number], self._fault(number))
        except asyncio.CancelledError:
            self.hung_up += 1
            raise
        finally:
            self.in_flight -= 1

    def _fault(self, number: int) -> str:
        if not self.faults or (number >= len(self.faults) and not self.always):
            return "ok"
        return self.faults[number % len(self.faults)]

    async def _answer(self, request: web.Request, body: dict[str, Any], fault: str) -> web.StreamResponse:
        if self.api_key is not None and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return _error(401, "no key", "invalid_api_key")
        match fault:
            case "429":
                return _error(429, "too much waits", "overloaded", headers={"Retry-After": "0"})
            case "503":
                return _error(503, "shutting down", "shutting_down")
            case "oom":
                return _error(503, "out of memory", "out_of_memory", headers={"Retry-After": "30"})
            case "broken":
                return _error(500, "the scorer broke its contract", "scorer_failed")
            case "401":
                return _error(401, "wrong key", "invalid_api_key")
            case "malformed":
                return web.Response(body=b'{"data": [{"va', content_type="application/json")
            case "shape":
                return web.json_response({"surprise": []})
            case "timeout":
                await asyncio.Event().wait()
            case "reset":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
        if len(body.get("items") or body.get("inputs") or ()) > self.most:
            return _error(413, "too many items", "too_many_items")
        return self._scores(request.path, body, fault)

    def _scores(self, path: str, body: dict[str, Any], fault: str) -> web.Response:
        if path == "/v1/value":
            return self._native(body, fault)
        if path == "/predict":
            rows = [self._classes(bad(self.value(pair[0], pair[1:]), fault)) for pair in body["inputs"]]
            return _json(rows[:-1] if fault == "short" else rows)
        if path == "/v1/decisions":
            if "refuse" in body["input"]:
                return _json({"answers": [{"type": "refusal"}]})
            value = bad(self.value(body["input"], ()), fault)
            answer = {"type": "predicate", "name": "value", "probability": value}
            return _json({"answers": [] if fault == "short" else [answer], "usage": {"input_tokens": 7}})
        question, solution = (turn["content"] for turn in body["messages"][-2:])
        if path == "/classify":
            value = bad(self.value(question, (solution,)), fault)
            return _json({"data": [{"index": 0, "probs": [0.0, value], "num_classes": 2}]})
        steps = solution.split("<extra_0>")[:-1]
        scores = miscounted([[0.0, bad(self.value(question, steps[: n + 1]), fault)] for n in range(len(steps))], fault)
        return _json({"data": [{"index": 0, "data": scores}], "usage": {"prompt_tokens": 5}})

    def _native(self, body: dict[str, Any], fault: str) -> web.Response:
        refused = [place for place, item in enumerate(body["items"]) if self.refuse(item["steps"])]
        if refused:
            return _error(422, "a step is empty", "empty_step", param=f"items[{refused[0]}]" if self.named else None)
        rows = []
        for item in body["items"]:
            steps, question = item["steps"], item["question"]
            scores = [bad(self.value(question, steps[: n + 1]), fault) for n in range(len(steps))]
            value = scores[-1] if scores else self.value(question, ())
            if "against" in item:
                value = 0.9 if self.value(question, steps) > self.value(question, item["against"]) else 0.2
            whole = [value] if not self.per_step or "against" in item else scores
            rows.append(
                {"value": value, "steps": miscounted(whole, fault), "n_tokens": 3 + len(steps), "cached_tokens": 3}
            )
        return _json({"object": "list", "model": "m", "data": rows[:-1] if fault == "short" else rows})

    @staticmethod
    def _classes(good: Any) -> list[dict[str, Any]]:
        return [{"label": "LABEL_1", "score": good}, {"label": "LABEL_0", "score": 0.0}]


def bad(value: float, fault: str) -> Any:
    """A score, or what a broken model says instead."""
    return {"nan": float("nan"), "range": 1.7, "null": None}.get(fault, value)


def miscounted(scores: list[Any], fault: str) -> list[Any]:
    """Scores, or one too many."""
    return [*scores, 0.5] if fault == "many" else scores


def _json(data: Any) -> web.Response:
    return web.Response(text=json.dumps(data), content_type="application/json")


def _error(status: int, said: str, code: str, *, param: str | None = None, headers: Any = None) -> web.Response:
    body = {"error": {"message": said, "type": "error", "code": code, "param": param}}
    return web.json_response(body, status=status, headers=headers)
