"""Processor time an expansion: the framework alone, how it grows with the structure, and over HTTP."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections import defaultdict
from typing import Any

from benchmarks.child import cpu_seconds, in_child, settle
from benchmarks.report import Row
from benchmarks.workload import REPLY, Metered, at, search
from reflectree.models.loopback_process import Remote

SIZES = (64, 256, 1024, 4096, 10_000)
ALONE = {8: 0.5, 64: 0.2}
OVER_HTTP = {8: 1.5, 64: 0.8}
MOST_EXPONENT = 0.1


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    rounds = 1 if quick else 3
    return [row for slots in ALONE for row in _alone(slots, rounds)] + _over_http(256 if quick else 1024, rounds)


def _alone(slots: int, rounds: int) -> list[Row]:
    """Rounds over all sizes, so that a busy minute of the machine does not fall on one size alone."""
    raw: dict[int, list[float]] = defaultdict(list)
    net: dict[int, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for n in SIZES:
            run = in_child("benchmarks.cpu:alone", n=n, slots=slots)
            raw[n].append(run["ms"])
            net[n].append(run["ms"] - run["setup_ms"] / n)
    details = {"raw_ms": dict(raw), "net_ms": dict(net)}
    rows = [
        Row(
            f"CPU an expansion, {n:,} expansions, {slots} slots",
            statistics.median(raw[n]),
            " ms",
            at_most=ALONE[slots],
            note=f"min {min(raw[n]):.3f}, without set-up {statistics.median(net[n]):.3f}",
            details=details,
        )
        for n in SIZES
    ]
    for name, values in (("raw", raw), ("without set-up", net)):
        slope = exponent({n: statistics.median(values[n]) for n in SIZES})
        best = exponent({n: min(values[n]) for n in SIZES})
        rows.append(
            Row(
                f"growth of it, 64 to 10,000, {slots} slots, {name}",
                slope,
                at_most=MOST_EXPONENT,
                note=f"exponent; of the minima {best:.3f}",
            )
        )
    return rows


def _over_http(n: int, rounds: int) -> list[Row]:
    rows = []
    with Remote(reply_from=REPLY) as server:
        for slots, most in OVER_HTTP.items():
            values = [
                in_child("benchmarks.cpu:over_http", n=n, slots=slots, base_url=server.base_url)["ms"]
                for _ in range(rounds)
            ]
            note = f"min {min(values):.3f}"
            figure = f"CPU an expansion over HTTP, {n:,} expansions, {slots} slots"
            rows.append(Row(figure, statistics.median(values), " ms", at_most=most, note=note, details={"ms": values}))
    return rows


def exponent(ms: dict[int, float]) -> float:
    """The power of N with which `ms` grows: the slope of a line through the logarithms, by least squares."""
    return statistics.linear_regression([math.log(n) for n in ms], [math.log(value) for value in ms.values()]).slope


def alone(n: int, slots: int) -> dict[str, float]:
    """Milliseconds an expansion with a model that answers at once, and milliseconds of a run without expansions."""
    asyncio.run(search(Metered(), 256, slots))
    runs = max(1, 512 // n)
    setup = [_cpu_ms(Metered(), 0, slots) for _ in range(5)]
    return {
        "ms": statistics.median(_cpu_ms(Metered(), n, slots) / n for _ in range(runs)),
        "setup_ms": statistics.median(setup),
    }


def over_http(n: int, slots: int, base_url: str) -> dict[str, float]:
    """Milliseconds an expansion in this process, the server being in another and answering at once."""
    asyncio.run(search(f"{base_url}#loopback", 128, slots))
    return {"ms": _cpu_ms(at(base_url), n, slots) / n}


def _cpu_ms(policy: Any, n: int, slots: int) -> float:
    async def run() -> float:
        before = cpu_seconds()
        result = await search(policy, n, slots)
        used = cpu_seconds() - before
        await policy.aclose()
        assert result.nodes == n, f"{result.nodes} of {n} expansions: {result.stop_reason}"
        return 1000 * used

    settle()
    return asyncio.run(run())
