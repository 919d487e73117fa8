"""What engine tests run on: a policy whose replies depend on the request alone, and small searches over it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models.base import FREE, Capabilities, Choice, Price, Reply, Request
from reflectree.models.calling import Retries
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import ModelRejected, TransientModelError
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.sandbox import available
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage

SECOND_TRY = 0x5DEECE6
"""What a second try's seed differs by: it is the same call."""

QUICK = Retries(attempts=3, first_wait=0.001, longest_wait=0.01)


def tree(width: int = 2, depth: int = 4, root_width: int = 3, **parameters: Any) -> Blueprint:
    """A small tree search."""
    strategy = {"name": "mcts", "width": width, "depth": depth, "root_width": root_width, **parameters}
    return Blueprint.parse({"name": "small", "scheme": {"strategy": strategy}})


def digest(*parts: object) -> int:
    """A number that depends on nothing but the parts, in this process and in any other."""
    return zlib.crc32(repr(parts).encode("utf-8", "backslashreplace"))


def value_of(path: Path) -> float:
    """A score that depends on the path alone and never ends a search."""
    return digest(path.text) % 90 / 100


def said(request: Request, sample: int = 0) -> str:
    """A step, or now and then an answer, that depends on the request alone."""
    number = digest(request.seed, request.prefill, sample)
    return f"Answer: {number % 7}" if number % 5 == 0 else f"step {number % 1000}"


Say = Callable[[Request, int], str | Choice | Exception]


class Oracle:
    """A policy that answers from the request alone, and writes down what it was asked.

    Args:
        say: What to say to a request's sample; the number of the request is given, too.
        latency: Seconds by the request's number.
        max_n: Most samples a request.
        price: Its price.
        gate: Awaited before each reply; gets the request's number.
    """

    def __init__(
        self,
        say: Say | None = None,
        *,
        latency: Callable[[int], float] = lambda number: 0.0,
        max_n: int = 1,
        price: Price | None = FREE,
        gate: Callable[[int], Any] | None = None,
    ) -> None:
        self.name = "oracle"
        self.capabilities = Capabilities(max_n=max_n, prefill=True, json_schema=True, logprobs=True)
        self.price = price
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.flying = 0
        self.most_flying = 0
        self._say = say or (lambda request, number: said(request))
        self._latency = latency
        self._gate = gate

    async def complete(self, request: Request) -> Reply:
        number = len(self.requests)
        self.requests.append(request)
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            if self._gate is not None:
                await self._gate(number)
            await asyncio.sleep(self._latency(number))
        finally:
            self.flying -= 1
        reply = self._reply(request, number)
        self.replies.append(reply)
        return reply

    def _reply(self, request: Request, number: int) -> Reply:
        choices = []
        for sample in range(request.n):
            words = self._say(request, number) if request.n == 1 else said(request, sample)
            if isinstance(words, Exception):
                raise words
            choices.append(words if isinstance(words, Choice) else Choice(words))
        written = sum(min(len(choice.text) // 4 + 1, request.max_tokens) for choice in choices)
        prompt = self.prompt_bound(request)
        return Reply(
            tuple(choices), Usage(1, 0, prompt, written, self.price.of(prompt, written) if self.price else None)
        )

    def prompt_bound(self, request: Request) -> int:
        return sum(len(message.content) for message in request.messages) // 4 + len(request.prefill) // 4 + 8

    async def aclose(self) -> None:
        pass

    @property
    def asked(self) -> list[int]:
        """The seed of each request: it names the call, second tries by a seed of their own."""
        return [request.seed or 0 for request in self.requests]


def faults(kinds: Sequence[str]) -> Say:
    """Says something wrong of the given kind by the request's number, in turn; `ok` is a plain step."""

    def say(request: Request, number: int) -> str | Choice | Exception:
        kind = kinds[number % len(kinds)]
        match kind:
            case "empty":
                return Choice("  \n")
            case "truncated":
                return Choice("half a th", "length")
            case "thought only":
                return Choice("", "length", reasoning="hm")
            case "refused":
                return Choice("I cannot", "filter")
            case "transient":
                return TransientModelError("503")
            case "rejected":
                return ModelRejected("401 wrong key", 401)
            case _:
                return said(request)

    return say


def require_isolation() -> None:
    """Skip a test that runs programs where the system cannot isolate them."""
    why = available()
    if why:
        pytest.skip(why)


async def search(policy: Any, **options: Any) -> Result:
    """A small run with test settings, unless told otherwise."""
    settings: dict[str, Any] = {
        "blueprint": tree(),
        "evaluator": value_of,
        "concurrency": 4,
        "retries": QUICK,
        "run_id": "run",
        **options,
    }
    return await asolve(settings.pop("task", "What is 6 times 7?"), policy=policy, **settings)


def settled(trace: Trace) -> list[Call]:
    """The calls in the trace that a model was paid for, in order."""
    calls = []
    for event in trace:
        if isinstance(event, Grown):
            calls.append(Call(event.op, event.nodes, event.index))
        elif isinstance(event, Failed) and event.usage.calls:
            calls.append(Call(cast(Operator, event.of), event.nodes, event.index))
        elif isinstance(event, Evaluated) and event.usage.calls:
            calls.append(Call("evaluate", (event.node,), event.index))
    return calls


def seeds_of(trace: Trace, run_seed: int = 0) -> set[int]:
    """The seeds of all requests the trace's settled calls may have made."""
    seeds = {call.seed(run_seed) for call in settled(trace)}
    return seeds | {seed ^ SECOND_TRY for seed in seeds}
