"""The two-phase loop as a LangGraph graph: generate -> train policy -> train value -> measure -> keep or not -> again.

Search makes data, data trains policy and value, and the next search is better, or is not kept: on held-out tasks the
new models stand beside those that are kept, at the same tokens. The folder is the state: each stage that is through is
written down, each stage resumes by itself, and the same call goes on where a kill or a cap stopped it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reflectree.graphs import blueprints
from reflectree.graphs.bridge import run_sync
from reflectree.models.resolve import policy as policy_model
from reflectree.models.resolve_values import value_model
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, RunLocked
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.task import Task
from reflectree.training.pipelines.plan import LoopPlan, read_plan
from reflectree.training.pipelines.rounds import OnProgress, OnStage, Rounds
from reflectree.training.pipelines.standing import LoopReport
from reflectree.training.shards import arrow
from reflectree.training.splits import Splits


async def aloop(
    tasks: Sequence[Task],
    out: str | os.PathLike[str],
    *,
    base: str | os.PathLike[str],
    plan: LoopPlan | dict[str, Any] | str | Path | None = None,
    value: str | None = None,
    splits: Splits | None = None,
    cap: Budget | None = None,
    on_stage: OnStage | None = None,
    on_progress: OnProgress | None = None,
) -> LoopReport:
    """Improve a policy and a value model by rounds of search and training.

    Args:
        tasks: The tasks, each with a verifier; they are divided by content, and those of the test split left out.
        out: The loop's folder.
        base: The policy to start from: a folder of weights.
        plan: What to do.
        value: A value model to start with; without one the first search is scored as its blueprint says.
        splits: The division of the tasks; a tenth each for valid and test by default.
        cap: Caps on what making data may cost and, on seconds, on all of it; when one is reached the loop pauses.
        on_stage: Told what came of each stage.
        on_progress: Told how a stage stands.

    Raises:
        BadInput: Plan, tasks or folders cannot work.
        TraceError: The folder holds a loop of another plan.
        RunLocked: Another process works on it.
    """
    chosen = read_plan(plan)
    blueprints.load(chosen.search)
    folder = Path(out)
    division = splits or Splits()
    parts: dict[str, list[Task]] = {"train": [], "valid": [], "test": []}
    for task in tasks:
        parts[division.of_task(task)].append(task)
    if not parts["train"] or not parts["valid"]:
        raise BadInput(
            f"of {len(tasks)} tasks {len(parts['train'])} are to train on and {len(parts['valid'])} to measure on: "
            "give more tasks, or larger shares of the splits"
        )
    if without := next((task for task in parts["train"] + parts["valid"] if task.verifier is None), None):
        raise BadInput(f"the task {without.id or without.question[:40]!r} has no verifier, so nothing can grade it")
    for module in ("torch", "transformers", "trl"):  # what is missing is said before the first search is paid
        if importlib.util.find_spec(module) is None:
            require(module, "training", "the loop")
    arrow()
    if chosen.measure is not None:
        blueprints.load(chosen.measure)
    policy_model(f"local/{base}")  # nothing is loaded yet: a folder that holds no model is found before it is searched
    if value is not None:
        value_model(value)
    async with _held(folder):
        session = Rounds(folder, chosen, parts, division, str(base), value, cap or Budget(), on_stage, on_progress)
        graph = session.graph().compile(name="reflectree:loop")
        state = await graph.ainvoke({"round": session.standing.begin(), "paused": None}, {"recursion_limit": 10_000})
        session.report.paused = state.get("paused")
        session.standing.save()
        return session.report


def loop(tasks: Sequence[Task], out: str | os.PathLike[str], **options: Any) -> LoopReport:
    """`aloop` for code that is not async: the same arguments, result and errors."""
    return run_sync(aloop(tasks, out, **options))


@asynccontextmanager
async def _held(folder: Path) -> AsyncIterator[None]:
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise RunLocked(f"another process works on {folder}: wait for it, or use another folder") from error
    except OSError as error:
        raise BadInput(f"cannot write {folder}: {error.strerror}; choose another folder") from error
    try:
        yield
    finally:
        lock.release()


__all__ = ["LoopReport", "aloop", "loop"]
