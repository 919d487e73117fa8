"""What `benchmarks.design_search` measures: one search in a process of its own, killed or not, and the embedded model.

The scripted model notes each request as it comes in and as it is answered, in a file that a killed process leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
import zlib
from pathlib import Path
from random import Random
from subprocess import Popen
from typing import Any

from benchmarks.child import cpu_seconds, settle, start
from reflectree.graphs.design_search import families
from reflectree.graphs.design_search.report import SearchReport
from reflectree.graphs.design_search.run import RUN, adesign_search
from reflectree.graphs.design_search.splits import Splits, example_id
from reflectree.graphs.run import saved_trace
from reflectree.graphs.tasksets import load_taskset
from reflectree.models.base import PolicyModel, Reply, Request
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Failed, Grown

LEVELS: dict[families.Kind, tuple[str, dict[str, Any]]] = {
    "prompt": ("gepa", {"iterations": 16}),
    "module": ("aflow", {"rounds": 8}),
    "agent": ("evolve", {"children": 12}),
}
"""The method of each level, and how long it searches."""
WIDTH = 8
"""Calls in flight at once."""
SUMS = "reasoning_gym:chain_sum?min_terms=2&max_terms=2&min_digits=1&max_digits=2&examples=3"
"""What the embedded model is asked: it is right in a third of the cases."""
PARTS = 12, 30, 60
"""How many of them: train, validation, test."""


class Noting:
    """A model that notes each request as it comes in (`+`) and as it is answered (`-`), in a file that a kill leaves.

    Args:
        model: The model.
        log: The file; `None` notes nothing and counts only.
    """

    def __init__(self, model: PolicyModel, log: Path | None) -> None:
        self.model, self.name, self.capabilities, self.price = model, model.name, model.capabilities, model.price
        self.calls = 0
        self._log = None if log is None else log.open("ab", buffering=0)

    async def complete(self, request: Request) -> Reply:
        """The model's reply."""
        asked = (self.name, request.messages, request.seed, request.n, request.temperature, request.max_tokens)
        self.calls += 1
        self._note("+", asked)
        reply = await self.model.complete(request)
        self._note("-", asked)
        return reply

    def prompt_bound(self, request: Request) -> int:
        """As the model's."""
        return self.model.prompt_bound(request)

    async def aclose(self) -> None:
        """Close it."""
        await self.model.aclose()

    def _note(self, sign: str, asked: object) -> None:
        if self._log is not None:
            self._log.write(f"{sign}{zlib.crc32(repr(asked).encode()):08x}\n".encode())


async def _search(
    level: families.Kind, seed: int, tasks: int, latency: float, folder: Path | None, log: Path | None, **changed: Any
) -> tuple[SearchReport, int]:
    method, settings = LEVELS[level]
    first = Noting(families.model(level, latency=latency), log)
    second = Noting(families.model(level, latency=latency, knows=families.FIELDS[1], name="second"), log)
    report = await adesign_search(
        "cot", families.tasks(tasks, seed), level=level, method=method, settings={**settings, **changed}, policy=first,
        models={"second": second} if level == "agent" else {}, folder=folder, concurrency=WIDTH, seed=seed,
    )  # fmt: skip
    return report, first.calls + second.calls


def searched(
    level: families.Kind, seed: int, tasks: int, latency: float, folder: str | None = None, log: str | None = None
) -> dict[str, Any]:
    """One search and what it took, in this process."""
    paths = [None if given is None else Path(given) for given in (folder, log)]
    name = next(iter(LEVELS[level][1]))
    asyncio.run(_search(level, 99, 30, 0.0, None, None, **{name: 1}))  # imports and compiled patterns are not counted
    settle()
    cpu, wall = cpu_seconds(), time.perf_counter()
    report, calls = asyncio.run(_search(level, seed, tasks, latency, *paths))
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    return {**figures(report), "calls": calls, "cpu_s": cpu, "wall_s": wall}


def figures(report: SearchReport) -> dict[str, Any]:
    """What a report says of gain and cost."""
    data = report.to_json()
    names = "method", "verdict", "difference", "difference_at_equal_cost", "break_even_tasks", "stop_reason"
    return {
        **{name: data[name] for name in names},
        "designs": len(report.designs),
        "means": [one.mean for one in report.designs],
        "validation": report.validation,
        "test": len(report.tested[0].scores) if report.tested else 0,
        "tested": {
            one.name: {"accuracy": one.accuracy.estimate, "tokens": one.tokens, "calls": one.calls}
            for one in report.tested
        },
        "search_tokens": report.search.tokens,
        "billed_calls": report.search.calls + report.final.calls,
    }


def gain(level: families.Kind, seed: int, tasks: int, latency: float, left: float) -> dict[str, Any]:
    """A search in a process of its own."""
    with start(
        "benchmarks.design_search_runs:searched", level=level, seed=seed, tasks=tasks, latency=latency
    ) as process:
        return _result(process, left)


def kill(level: families.Kind, seed: int, tasks: int, latency: float, left: float) -> dict[str, Any]:
    """A search that is killed after half of its calls, and then runs to its end in another process.

    Settled is what the folder holds. What was sent and is not settled at the kill was under way; what is more than that
    in the end was paid again.
    """
    begun = time.monotonic()
    whole = gain(level, seed, tasks, latency, left)
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name, "search"), Path(name, "log")
        given: dict[str, Any] = {"level": level, "seed": seed, "tasks": tasks, "latency": latency}
        given |= {"folder": str(folder), "log": str(log)}
        with start("benchmarks.design_search_runs:searched", **given) as process:
            while process.poll() is None and (not log.exists() or log.read_bytes().count(b"-") < whole["calls"] / 2):
                time.sleep(0.01)
            time.sleep(Random(seed).uniform(0, 2 * latency))  # not always just after an answer
            process.kill()
        before, held = log.read_bytes().count(b"+"), saved_calls(folder)
        with start("benchmarks.design_search_runs:searched", **given) as process:
            last = _result(process, left - (time.monotonic() - begun))
        sent, settled = log.read_bytes().count(b"+"), saved_calls(folder)
    return {
        **{"undisturbed_calls": whole["calls"], "sent": sent, "sent_before": before, "settled_before": held},
        **{"under_way": before - held, "settled": settled, "billed": last["billed_calls"]},
        "paid_again": sent - settled - (before - held),
        "same": (last["verdict"], last["tested"]) == (whole["verdict"], whole["tested"]),
    }


def saved_calls(folder: Path) -> int:
    """Calls whose outcome a search's folder holds: of examples, of runs that were not over, and of proposals."""
    with contextlib.closing(sqlite3.connect(folder / "examples.sqlite")) as file:
        made = {
            (row[0], row[1]): json.loads(row[2])[0] for row in file.execute("SELECT design, example, usage FROM made")
        }
    saved = folder / "search.sqlite"
    with contextlib.closing(sqlite3.connect(saved)) as file:
        threads = [row[0] for row in file.execute("SELECT DISTINCT thread_id FROM checkpoints")]
    calls = int(sum(made.values()))
    for thread in threads:
        try:
            trace = saved_trace(thread, saved)
        except BadInput:
            continue  # the kill came before anything of it was saved
        if thread == RUN:
            proposals = [event for event in trace.events if isinstance(event, Grown | Failed)]
            calls += sum(one.usage.calls for one in proposals if not (isinstance(one, Failed) and one.of == "evaluate"))
        elif tuple(thread.split("/")[-2:]) not in made:
            calls += trace.usage.calls
    return calls


def _result(process: Popen[str], left: float) -> dict[str, Any]:
    try:
        written = process.communicate(timeout=max(1.0, left))[0]
    finally:
        process.kill()
    if process.returncode:
        raise RuntimeError(f"the search ended with {process.returncode}: see its message above")
    found: dict[str, Any] = json.loads(written.splitlines()[-1])
    return found


async def embedded(seed: int, seconds: float) -> dict[str, Any]:
    """The embedded model on sums of two numbers: OPRO over prompts, which are varied by seeded chance."""
    drawn = load_taskset(SUMS, limit=2 * sum(PARTS), seed=seed)  # some ask the same
    tasks = list({example_id(task): task for task in drawn}.values())[: sum(PARTS)]
    first, second = PARTS[0], PARTS[0] + PARTS[1]
    start = {"max_tokens": 96, "temperature": 0.4}
    began = time.perf_counter()
    report = await adesign_search(
        {"name": "cot", "scheme": {"strategy": "cot"}, "operators": {"generate": start}},
        Splits.given(tasks[:first], tasks[first:second], tasks[second:]),
        level="prompt", method="opro", settings={"starts": 1, "per_step": 4, "steps": 2}, proposer=None,
        policy="embedded", concurrency=1, seed=seed, budget=Budget(seconds=seconds),
    )  # fmt: skip
    return {**figures(report), "wall_s": time.perf_counter() - began, "untested": report.untested}
