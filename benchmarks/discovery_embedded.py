"""Discovery with the embedded model: every problem, five seeds, so many calls each, beside the same two methods.

    python -m benchmarks.discovery_embedded [--calls 10] [--seeds 5] [--problems NAME ...]

A run is a line of `benchmarks/results/discovery-embedded.jsonl`; killed and begun again, it goes on. All three methods
are compared at the candidates that the model's calls came to, invalid ones included (they are evaluations that
failed). A run without a single measured candidate counts as the worst figure that is shown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.discovery import FIGURES, LAWS, METHODS, UNMEASURED, Curves, figure, t_interval, verdict
from reflectree.graphs.discovery import adiscover, problem, random_search
from reflectree.graphs.discovery.base import Problem
from reflectree.graphs.embodied.reaction import reaction_problem
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.budget import Budget

RESULTS = Path(__file__).parent / "results" / "discovery-embedded.jsonl"
NAMES = ("linear-regression", "tsp/10", *(f"symbolic/{law}" for law in LAWS), "reaction")
_EVALUATIONS = 101


def given(name: str, seed: int) -> Problem:
    """The problem of a seed; laws are the same for all."""
    if name == "reaction":
        return reaction_problem(seed)
    return problem(name if name.startswith("symbolic") else f"{name}/{seed}")


async def measured(name: str, seed: int, calls: int, policy: Any) -> Curves:
    """One run, and the other two methods at as many evaluations."""
    asked, started = given(name, seed), time.monotonic()
    found = await adiscover(
        asked,
        policy=policy,
        seed=seed,
        evaluations=_EVALUATIONS,
        budget=Budget(calls=calls),
        classical=False,
        concurrency=1,
    )
    length = max(1, found.evaluations)
    worst = math.inf if asked.sense == "min" else -math.inf
    return Curves(
        tuple(figure(asked, value) for value in (found.curve or (worst,))),
        tuple(figure(asked, value) for value in asked.classical(length, seed)),
        tuple(figure(asked, value) for value in random_search(asked, length, seed)),
        found.failed,
        found.tokens,
        time.monotonic() - started,
    )


async def measure(names: list[str], seeds: int, calls: int) -> None:
    """Add what is missing to the file."""
    done = {(row["problem"], row["seed"], row["calls"]) for row in rows()}
    policy = resolve_policy("embedded")
    try:
        for seed in range(seeds):
            for name in names:
                if (name, seed, calls) in done:
                    continue
                run = await measured(name, seed, calls, policy)
                with RESULTS.open("a") as file:
                    file.write(json.dumps({"problem": name, "seed": seed, "calls": calls, **asdict(run)}) + "\n")
                print(
                    f"{name} {seed}: {len(run.search)} evaluations, {run.failed} failed, {run.seconds:.0f} s",
                    flush=True,
                )
    finally:
        await policy.aclose()


def rows() -> list[dict[str, Any]]:
    """What was measured so far."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def table(calls: int) -> list[str]:
    """The table, a line a problem: means over seeds at each run's last evaluation."""
    shown = [
        "| problem (lower is better) | seeds | evaluations, failed | tokens a run | embedded model | classical "
        "| random | against classical | against random |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in NAMES:
        runs = [row for row in rows() if row["problem"] == name and row["calls"] == calls]
        if not runs:
            continue
        last = {method: [row[method][-1] for row in runs] for method in METHODS}
        mean = {method: t_interval(values) for method, values in last.items()}
        against = [
            verdict(t_interval([one - two for one, two in zip(last["search"], last[other], strict=True)]))
            for other in METHODS[1:]
        ]
        evaluations, failed, tokens = (
            sum(values) / len(runs)
            for values in (
                [len(row["search"]) for row in runs],
                [row["failed"] for row in runs],
                [row["tokens"] for row in runs],
            )
        )
        own, other, chance = (mean[method] for method in METHODS)
        shown.append(
            f"| {name}, {FIGURES[name.partition('/')[0]]} | {len(runs)} | {evaluations:.1f}, {failed:.1f} "
            f"| {tokens:,.0f} | {own.estimate:.3g} ({own.low:.3g} to {own.high:.3g}) "
            f"| {other.estimate:.3g} | {chance.estimate:.3g} | {against[0]} | {against[1]} |"
        )
    return [*shown, f"\n{UNMEASURED:g} stands for nothing measured."]


def main() -> int:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.discovery_embedded", description=__doc__)
    parser.add_argument("--calls", type=int, default=10, help="requests to the model a run")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--problems", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--table", action="store_true", help="print what is there, measure nothing")
    options = parser.parse_args()
    if not options.table:
        asyncio.run(measure(options.problems, options.seeds, options.calls))
    print("\n".join(table(options.calls)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
