"""How close the wall-clock time comes to what the model's latency alone would take."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from typing import Any

from benchmarks.child import in_child, settle
from benchmarks.report import Row
from benchmarks.workload import REPLY, Metered, at, lognormal, search
from reflectree.models.loopback_process import Remote

SLOTS = 8
LATENCY_S = 0.2
MEDIAN_S, SIGMA = 0.1, 0.8


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    runs = 1 if quick else 3
    n, spread = (64, 128) if quick else (256, 512)
    ideal = math.ceil(n / SLOTS) * LATENCY_S
    inside = in_child("benchmarks.wall:scripted", n=n, runs=runs)
    with Remote(reply_from=REPLY, latency=LATENCY_S) as server:
        over_http = in_child("benchmarks.wall:over_http", n=n, runs=runs, base_url=server.base_url)
    used = in_child("benchmarks.wall:lognormal_slots", n=spread, runs=runs)
    rows = [
        Row(
            f"wall / ideal, {n} expansions of 200 ms, 8 slots, {where}",
            statistics.median(walls) / ideal,
            at_most=1.06,
            note=f"{statistics.median(walls):.2f} s of {ideal:g}",
            details={"walls_s": walls},
        )
        for where, walls in (("in process", inside), ("over HTTP", over_http))
    ]
    share = 100 * statistics.median(used)
    return [
        *rows,
        Row(f"slots used, {spread} calls, lognormal, sigma 0.8", share, " %", at_least=93, details={"shares": used}),
    ]


def scripted(n: int, runs: int) -> list[float]:
    """Wall seconds of runs with a policy that sleeps in this process."""
    asyncio.run(search(Metered(), 64, SLOTS))
    return [asyncio.run(_wall(Metered(lambda number: LATENCY_S), n)) for _ in range(runs)]


def over_http(n: int, runs: int, base_url: str) -> list[float]:
    """Wall seconds of runs against a server that sleeps."""
    asyncio.run(search(f"{base_url}#loopback", 8, SLOTS))
    return [asyncio.run(_wall(at(base_url), n)) for _ in range(runs)]


def lognormal_slots(n: int, runs: int) -> list[float]:
    """The share of the slots used from the first call to the result, by seed."""
    asyncio.run(search(Metered(), 64, SLOTS))
    shares = []
    for seed in range(runs):
        policy = Metered(lognormal(MEDIAN_S, SIGMA, seed))
        shares.append(policy.slots_used(SLOTS, asyncio.run(_wall(policy, n))))
    return shares


async def _wall(policy: Any, n: int) -> float:
    settle()
    started = time.perf_counter()
    result = await search(policy, n, SLOTS)
    wall = time.perf_counter() - started
    await policy.aclose()
    assert result.nodes == n, f"{result.nodes} of {n} expansions: {result.stop_reason}"
    return wall
