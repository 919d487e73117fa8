"""What memory is worth on a real small model: the same tasks with memory, without, and with the same tokens in retries.

    python -m benchmarks.memory_learning --tasks 60 --seeds 1 2 3

The embedded model solves Countdown puzzles (reasoning-gym's game; its rules check an answer, no gold is used), a few
samples a task. With memory, solved puzzles are kept and like ones are shown as experience; memory is empty at first. A
record must be worth it and a share of runs is shown nothing, so that memory can get out of the way; `--always` shows
whatever is nearest, in every run.
`retries` spends on each task what memory has spent so far and it has not, so that no token is lost to either.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reflectree.apps.demo import puzzles
from reflectree.graphs.memory.access import Memory
from reflectree.graphs.run import asolve
from reflectree.memory import NumpyStore
from reflectree.memory.learning import reviewer
from reflectree.memory.ledger import Ledger
from reflectree.models.base import PolicyModel
from reflectree.models.resolve import policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.statistics import paired_bootstrap, wilson_interval
from reflectree.rlm_ops.task import Task

ARMS = ("memory", "none", "retries")
SAMPLES = 4


def blueprint(samples: int | None, *, memory: bool, always: bool = False) -> Blueprint:
    """Best of a few samples, which ends at the first right one."""
    data: dict[str, Any] = {
        "name": "samples",
        "scheme": {"granularity": "solution", "strategy": {"name": "best-of-n", "n": samples}},
        "operators": {"generate": {"max_tokens": 48}},
    }
    if memory:
        shown: dict[str, Any] = {"kinds": {"experience": 3}, "limit": 3, "probation": 3, "tokens": 400}
        shown |= {"control": 0.0, "worth": 0.0} if always else {"control": 0.2}
        data["memory"] = {"recall": shown, "learn": [{"how": "experience", "when": "success"}]}
    return Blueprint.parse(data)


@dataclass
class Course:
    """One pass over the tasks: whether each was solved and what it took, by arm."""

    seed: int
    right: dict[str, list[float]] = field(default_factory=lambda: {arm: [] for arm in ARMS})
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ARMS, 0))


async def course(model: PolicyModel, tasks: Sequence[Task], seed: int, until: float, *, always: bool) -> Course:
    """All arms over the tasks in their order, as far as the time reaches."""
    memory = Memory(Ledger(store=NumpyStore(index={"embed": "embedded", "fields": ["text"]}), review=reviewer()))
    found = Course(seed)
    for number, task in enumerate(tasks):
        if time.monotonic() > until:
            break
        for arm in ARMS:
            plan = blueprint(None if arm == "retries" else SAMPLES, memory=arm == "memory", always=always)
            left = found.tokens["memory"] - found.tokens["retries"]
            result = await asolve(
                task,
                blueprint=plan,
                policy=model,
                memory=memory if arm == "memory" else None,
                budget=Budget(tokens=left) if arm == "retries" else None,
                seed=1000 * seed + number,
                concurrency=1,
            )
            found.right[arm].append(float(bool(result.selected_correct)))
            found.tokens[arm] += result.usage.tokens
        sys.stderr.write(f"seed {seed}: {number + 1} of {len(tasks)} tasks\n")
    return found


def report(courses: Sequence[Course]) -> list[str]:
    """The table, with intervals; tasks of all seeds together."""
    lines = ["| arm | solved [95 %] | tokens a task | memory minus it [95 %] |", "|---|---|---|---|"]
    with_memory = [value for one in courses for value in one.right["memory"]]
    n = len(with_memory)
    for arm in ARMS:
        right = [value for one in courses for value in one.right[arm]]
        share = wilson_interval(int(sum(right)), n)
        tokens = sum(one.tokens[arm] for one in courses) / max(1, n)
        words = ""
        if arm != "memory" and n:
            gain = paired_bootstrap(with_memory, right)
            said = "gain" if gain.low > 0 else "loss" if gain.high < 0 else "no gain"
            words = f"{gain.estimate:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] {said}"
        lines.append(f"| {arm} | {share.estimate:.2f} [{share.low:.2f}, {share.high:.2f}] | {tokens:,.0f} | {words} |")
    return lines


async def measure(options: argparse.Namespace) -> list[Course]:
    """All seeds, one after the other."""
    model = policy(options.policy)
    until = time.monotonic() + options.seconds
    try:
        return [
            await course(model, list(puzzles(options.tasks, seed)), seed, until, always=options.always)
            for seed in options.seeds
            if time.monotonic() < until
        ]
    finally:
        await model.aclose()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_learning", description=__doc__)
    parser.add_argument("--policy", default="embedded", help="the model")
    parser.add_argument("--tasks", type=int, default=60, help="tasks a seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--seconds", type=float, default=3600.0, help="end after so long, between two tasks")
    parser.add_argument("--always", action="store_true", help="show what is nearest, whether it helps or not")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    courses = asyncio.run(measure(options))
    print(json.dumps([asdict(one) for one in courses]) if options.json else "\n".join(report(courses)))


if __name__ == "__main__":
    main()
