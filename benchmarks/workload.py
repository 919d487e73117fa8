"""The search all figures run: the stock `mcts` blueprint, one generate call an expansion, scored locally for nothing.

Steps are distinct texts of about a hundred characters without an answer, so that nothing ends a run but its budget, and
scores follow from the texts alone.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import time
import zlib
from collections.abc import Callable
from typing import Any

from reflectree.graphs import blueprints
from reflectree.graphs.run import asolve
from reflectree.models.base import FREE, Capabilities, Choice, PolicyModel, Price, Reply, Request
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import ModelTimeout
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import Usage

QUESTION = "A farmer has 17 sheep. All but 9 run away, then he buys twice as many as he has left. How many has he?"
LOG = "REFLECTREE_BENCH_LOG"
"""Names the file in which a loopback server notes the calls it has answered, a line each."""

USAGE = Usage(1, 0, 100, 20, 0.0)
CAPABILITIES = Capabilities()


@functools.cache
def blueprint(timeout: float = 120.0, **strategy: int) -> Blueprint:
    """The stock `mcts` blueprint with another time-out a call, or other limits of the tree."""
    changes: dict[str, Any] = {f"scheme.strategy.{name}": value for name, value in strategy.items()}
    return blueprints.load("mcts").with_overrides({"operators.generate.timeout": timeout, **changes})


def score(path: Path) -> float:
    """A score in [0.2, 0.8] that follows from the last step's text."""
    return 0.2 + 0.6 * (zlib.crc32(path.steps[-1].text.encode()) % 1009) / 1008


def step(number: int) -> str:
    """A step's text."""
    return f"Thought {number}: consider what is left once the sheep have run, and count again with what he then buys."


class Metered:
    """A policy that knows how many of its calls are under way; in itself the cheapest model there is.

    Args:
        latency: Seconds a call takes, by its number from 0.
        inner: A policy to hand the calls to instead.
    """

    def __init__(self, latency: Callable[[int], float] | None = None, inner: PolicyModel | None = None) -> None:
        self._latency, self._inner = latency, inner
        self.calls = 0
        self.longest = 0.0
        """Seconds the longest call took, or was waited for before it was cut."""
        self.cut = 0
        """Calls that were cancelled, or gave up for time."""
        self._busy = 0
        self._area = 0.0
        self._since = time.perf_counter()

    @property
    def name(self) -> str:
        return self._inner.name if self._inner else "metered"

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities if self._inner else CAPABILITIES

    @property
    def price(self) -> Price | None:
        return self._inner.price if self._inner else FREE

    def prompt_bound(self, request: Request) -> int:
        return self._inner.prompt_bound(request) if self._inner else 100

    async def aclose(self) -> None:
        if self._inner:
            await self._inner.aclose()

    async def complete(self, request: Request) -> Reply:
        number = self.calls
        self.calls += 1
        started = self._count(1)
        try:
            if self._inner:
                return await self._inner.complete(request)
            await asyncio.sleep(self._latency(number) if self._latency else 0)
            return Reply((Choice(step(number)),), USAGE)
        except (TimeoutError, ModelTimeout, asyncio.CancelledError):
            self.cut += 1
            raise
        finally:
            self.longest = max(self.longest, self._count(-1) - started)

    def slots_used(self, slots: int, wall: float) -> float:
        """The share of `slots` that was busy during `wall` seconds."""
        return self._area / wall / slots

    def _count(self, by: int) -> float:
        now = time.perf_counter()
        self._area += self._busy * (now - self._since)
        self._since = now
        self._busy += by
        return now


def lognormal(median: float, sigma: float, seed: int) -> Callable[[int], float]:
    """Latencies in seconds by call number."""
    return lambda number: median * random.Random(seed * 1_000_003 + number).lognormvariate(0.0, sigma)


def at(base_url: str) -> PolicyModel:
    """The policy of a loopback server."""
    return resolve_policy(f"{base_url}#loopback")


def search(policy: Any, n: int, slots: int, **options: Any) -> Any:
    """`n` expansions with `slots` calls in flight; a coroutine that gives the result."""
    options = {"blueprint": blueprint(), "budget": Budget(calls=n), **options}
    return asolve(QUESTION, policy=policy, evaluator=score, concurrency=slots, **options)


def reply(body: dict[str, Any], number: int) -> str:
    """What a loopback server in another process writes; notes the call's seed where it is told to."""
    if path := os.environ.get(LOG):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(handle, f"{body['seed']:>11}\n".encode())
        finally:
            os.close(handle)
    return step(body["seed"])


REPLY = "benchmarks.workload:reply"
