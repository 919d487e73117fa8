"""A search on a server that goes wrong in every way at once, against the same search on one that does not."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from benchmarks.child import in_child, settle
from benchmarks.report import Row
from benchmarks.workload import REPLY, Metered, at, blueprint, search
from reflectree.models.loopback import FAULTS
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Failed, Grown

SLOTS = 8
N = 256
LATENCY_S = 0.2
TIMEOUT_S = 2.0
"""The call's time-out: ten times what a call takes."""

SHARE = 0.05


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    runs: list[dict[str, Any]] = []
    with Remote(reply_from=REPLY, latency=LATENCY_S) as sound:
        for seed in range(1 if quick else 3):
            mix = dict.fromkeys(FAULTS, SHARE / len(FAULTS))
            with Remote(reply_from=REPLY, latency=LATENCY_S, faults=mix, seed=seed) as faulty:
                run = in_child("benchmarks.faults:compare", sound=sound.base_url, faulty=faulty.base_url)
                run["server"] = faulty.counters()
            runs.append(run)
    middle = {name: statistics.median(run[name] for run in runs) for name in ("ratio", "wall_s", "sound_s")}
    served = sum(sum(run["server"]["faults"].values()) for run in runs)
    return [
        Row(
            f"{N} expansions with 5 % faults of all kinds: settled",
            min(run["settled"] for run in runs),
            at_least=N,
            note=f"of {len(runs)} runs the least; {served} faults served, {sum(run['failed'] for run in runs)} failed",
            details={"runs": runs},
        ),
        Row(
            "wall with faults / without",
            middle["ratio"],
            at_most=2,
            note=f"{middle['wall_s']:.2f} s against {middle['sound_s']:.2f} s; time-out {TIMEOUT_S:g} s",
        ),
        Row(
            "longest call of them",
            max(run["longest_s"] for run in runs),
            " s",
            at_most=TIMEOUT_S + 0.25,
            note=f"{sum(run['cut'] for run in runs)} calls cut by their time-out of {TIMEOUT_S:g} s",
        ),
    ]


def compare(sound: str, faulty: str) -> dict[str, float]:
    """The same search on both servers, after a warm-up."""
    asyncio.run(search(f"{sound}#loopback", 8, SLOTS))
    without, with_faults = asyncio.run(_run(sound)), asyncio.run(_run(faulty))
    assert without["grown"] == N, f"without faults {without['grown']} of {N} expansions"
    return {**with_faults, "sound_s": without["wall_s"], "ratio": with_faults["wall_s"] / without["wall_s"]}


async def _run(base_url: str) -> dict[str, float]:
    """A tree with room for exactly `N` steps, 8 and 31 under each: it is complete when all of them are settled."""
    settle()
    policy = Metered(inner=at(base_url))
    plan = blueprint(TIMEOUT_S, root_width=8, width=31, depth=2)
    started = time.perf_counter()
    result = await search(policy, N, SLOTS, blueprint=plan, budget=Budget(calls=10 * N))
    wall = time.perf_counter() - started
    await policy.aclose()
    grown = sum(isinstance(event, Grown) for event in result.trace)
    failed = sum(isinstance(event, Failed) for event in result.trace)
    return {
        "wall_s": wall,
        "grown": grown,
        "failed": failed,
        "settled": grown + failed,
        "calls": policy.calls,
        "longest_s": policy.longest,
        "cut": policy.cut,
    }
