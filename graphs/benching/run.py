"""Run every blueprint over every task, each under the same cap on tokens, and go on where an earlier run stopped.

Knows nothing of terminals: progress goes to a callback. In which order runs are made, and under which cap, is in
`driving`; how they are made on a cluster, in `spread`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reflectree
from reflectree.agents import evaluators
from reflectree.agents.tools import read_tools
from reflectree.graphs import blueprints as known_blueprints
from reflectree.graphs.benching.driving import Cap, Clock, Drive, Make, dearest, run_name
from reflectree.graphs.benching.record import BenchFile, Outcome, Settings
from reflectree.graphs.benching.report import BASELINES, Report, report
from reflectree.graphs.benching.traces import OnOutcome, keeping
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.preparing import prepare
from reflectree.graphs.recipe import Recipe
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.graphs.tasksets import TaskSet
from reflectree.models.calling import Retries
from reflectree.models.words import build
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies import BestOfN, SelfConsistency
from reflectree.rlm_ops.task import Task

if TYPE_CHECKING:
    from reflectree.graphs.memory.access import Memory

WORKERS = 2
"""Workers of a cluster where nothing else is said."""


def at_equal_tokens(blueprint: Blueprint) -> Blueprint:
    """The blueprint with no other end than the cap on tokens: a number of samples becomes unbounded.

    Chain of thought is one sample by its nature and stays so; a tree search stays as wide as it is, for its widths are
    part of what it is (where it ends before the cap, its stop reason `complete` shows it).
    """
    if isinstance(blueprint.scheme.strategy, SelfConsistency | BestOfN):
        return blueprint.with_overrides({"scheme.strategy.n": None})
    return blueprint


def line_up(wanted: Sequence[Any]) -> list[Blueprint]:
    """The blueprints to compare, baselines included, freed of every cap but the common one on tokens.

    Raises:
        BadInput: One is unknown, or two different ones share a name.
    """
    found: dict[str, Blueprint] = {}
    for source in wanted:
        blueprint = at_equal_tokens(known_blueprints.load(source))
        if found.setdefault(blueprint.name, blueprint).digest != blueprint.digest:
            raise BadInput(f"two different blueprints are named {blueprint.name!r}: rename one")
    for name in BASELINES:
        if name not in found:
            found[name] = at_equal_tokens(known_blueprints.load(name))
    return list(found.values())


async def abench(
    taskset: TaskSet,
    wanted: Sequence[Any],
    *,
    tokens: int,
    policy: Any = "embedded",
    close: bool = False,
    evaluator: Any = None,
    evaluator_name: str = "",
    judge: Any = None,
    models: Mapping[str, Any] | None = None,
    tools: Sequence[Any] | None = None,
    memory: Any = None,
    seed: int = 0,
    concurrency: int = 8,
    retries: Retries | None = None,
    out: str | os.PathLike[str] | None = None,
    seconds: float | None = None,
    on_outcome: OnOutcome | None = None,
    on_begin: Callable[[BenchFile], None] | None = None,
    cap: Budget | None = None,
    traces: str | os.PathLike[str] | None = None,
    ray: str | None = None,
    ray_workers: int | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Report:
    """Compare blueprints over a task set.

    Args:
        taskset: The tasks; each needs a verifier, which only reports, unless it knows no gold answer.
        wanted: Blueprints by name, file, data or as they are; `BASELINES` are added where they are missing.
        tokens: Cap on prompt and completion tokens together, for each blueprint and task.
        policy: The model that writes steps.
        close: Close the policy at the end even where it was given as an object.
        evaluator: What scores steps, for all blueprints that score; also the name of a value model.
        evaluator_name: Its name in the file; by default what the function calls itself.
        judge: The model that judges, where it is not the policy.
        models: Further models by the roles that blueprints name.
        tools: What *act* steps may call.
        memory: What every run recalls from: a folder, a `Ledger` or a store. The tasks are test tasks, so that nothing
            is written; only a `Memory` that says otherwise is used as it is.
        seed: Seed of all sampling.
        concurrency: Calls in flight at once.
        retries: How transient faults are tried again.
        out: The file of outcomes; what it already holds is not run again.
        seconds: No task is begun that would not end in time, going by the last few.
        on_outcome: Called after each outcome that was run now.
        on_begin: Called once before the first one, with what the file already holds.
        cap: Caps on tokens and dollars of the whole benchmark, over all its sessions. A run begins only where the most
            it can cost still fits; else the benchmark is paused, and the same call with a higher cap goes on.
        traces: A folder for the runs' traces, one file each.
        ray: `local`, or the address of a Ray cluster, to spread the runs over it. All models are then strings or
            `ModelWords`, and a value model is named.
        ray_workers: Workers there, each with one run at a time.
        on_note: Told what a user may want to know meanwhile: that a worker died, and its run is made again.

    Returns:
        The report over the tasks that all blueprints have done.

    Raises:
        BadInput: Something given cannot work, or the file holds other settings. Nothing was paid.
        ModelError: The model cannot be reached or refuses; what was done before is in the file.
        WorkerFailed: A run has lost several workers; what was done before is in the file.
    """
    named = evaluator if isinstance(evaluator, str) else None
    roles = {**({} if judge is None else {"judge": judge}), **(models or {})}
    scorer = evaluators.resolved(evaluator)
    model, examiner = build(policy), None if judge is None else build(judge)
    others = {role: build(other) for role, other in (models or {}).items()}
    known: Memory | None = None
    try:
        plans, budget, ids = line_up(wanted), Budget(tokens=tokens), _checked_ids(taskset)
        common: dict[str, Any] = {
            "policy": model,
            "judge": examiner,
            "models": others,
            "tools": tools,
            "evaluator": scorer,
            "budget": budget,
            "concurrency": concurrency,
            "seed": seed,
            "retries": retries,
        }
        for plan in plans:  # refused here, before anything is paid
            prepare(plan, verifier=taskset[0].verifier, **common)
        recipe = Recipe(
            blueprint=plans[0], policy=policy, models=roles, tools=tuple(tools or ()), value_model=named,
            evaluator=None if named else evaluator, budget=budget, concurrency=concurrency, retries=retries,
        )  # fmt: skip
        width = _checked(recipe, ray, ray_workers, memory)
        priced = {"policy": model, **({} if examiner is None else {"judge": examiner}), **others}
        limit = Cap(cap or Budget(), tokens, dearest(priced, tokens))
        common["memory"] = known = None if memory is None else _known(memory)
        settings = Settings(
            taskset=taskset.name,
            digest=taskset.digest,
            tasks=len(taskset),
            model=model.name,
            judge=examiner.name if examiner else "",
            roles={role: other.name for role, other in others.items()},
            tools=list(read_tools(tools or ())),
            evaluator=evaluator_name or _name_of(evaluator),
            tokens=tokens,
            seed=seed,
            concurrency=concurrency,
            blueprints={plan.name: plan.digest for plan in plans},
            reflectree=reflectree.__version__,
            memory="" if known is None else _state_of(known),
        )
        with BenchFile.open(out, settings) as file:
            if on_begin is not None:
                on_begin(file)
            asked = list(taskset)
            async with _maker(recipe, asked, common, ray, width) as make:
                drive = Drive(file, make, limit, width, Clock(seconds), keeping(traces, on_outcome), on_note)
                paused = await drive.run(list(zip(ids, asked, strict=True)), plans)
            return replace(report(settings, _in_order(file.done, ids, plans)), paused=paused)
    finally:
        if model is not policy or close:
            await model.aclose()
        if examiner is not None and examiner is not judge:
            await examiner.aclose()
        for role, other in others.items():
            if other is not (models or {})[role]:
                await other.aclose()
        if scorer is not evaluator:
            await scorer.aclose()
        if known is not None and isinstance(memory, str | os.PathLike):
            known.close()


def bench(taskset: TaskSet, wanted: Sequence[Any], **options: Any) -> Report:
    """`abench` for code that is not async: the same arguments, result and errors."""
    return run_sync(abench(taskset, wanted, **options))


@contextlib.asynccontextmanager
async def _maker(
    recipe: Recipe, tasks: Sequence[Task], common: dict[str, Any], ray: str | None, workers: int
) -> AsyncIterator[Make]:
    """What makes runs: this process, or a cluster."""
    if ray is not None:
        from reflectree.graphs.benching.spread import Spread

        async with Spread.open(recipe, tasks, common["seed"], ray, workers) as spread:
            yield spread.make
        return

    async def make(plan: Blueprint, name: str, task: Task) -> Result:
        learns = common["memory"] is not None and common["memory"].writes
        # a run's name is a seed of what it recalls; one that learns is a new run each time
        return await asolve(task, blueprint=plan, run_id=None if learns else run_name(plan.name, name), **common)

    yield make


def _checked(recipe: Recipe, ray: str | None, workers: int | None, memory: Any) -> int:
    """Runs at once; one where they are all made here.

    Raises:
        BadInput: Something given cannot be sent to a worker.
    """
    if ray is None:
        if workers is not None:
            raise BadInput("ray_workers= are workers of a Ray cluster: give ray=, too (--ray local)")
        return 1
    if memory is not None:
        raise BadInput("runs on Ray recall nothing: a memory lies on this machine; leave out one of the two")
    recipe.refuse_to_travel()
    return WORKERS if workers is None else workers


def _in_order(outcomes: Sequence[Outcome], ids: Sequence[str], plans: Sequence[Blueprint]) -> list[Outcome]:
    """Outcomes by task and blueprint, whatever order runs ended in: figures drawn by lot must not depend on that."""
    places = {(plan.name, name): place for place, (name, plan) in enumerate((i, p) for i in ids for p in plans)}
    return sorted(outcomes, key=lambda outcome: places.get((outcome.blueprint, outcome.task), len(places)))


def _known(given: Any) -> Memory:
    """The memory to recall from; what is no `Memory` that says otherwise is not written into.

    Raises:
        BadInput: There is none.
    """
    from reflectree.graphs.memory.access import Memory

    if isinstance(given, Memory):
        return given
    if isinstance(given, str | os.PathLike) and not (Path(given) / "ledger.jsonl").is_file():
        raise BadInput(f"there is no memory at {given}: runs make one, reflectree solve ... --memory {given}")
    return replace(Memory.of(given), split="test")


def _state_of(memory: Memory) -> str:
    """Which memory it is, and its last event: as it was then is part of what is measured."""
    ledger = memory.ledger
    last = ledger.state.seq
    return f"{ledger.log.book if ledger.log is not None else 'memory'}@{last}"


def _checked_ids(taskset: TaskSet) -> list[str]:
    """Each task's id, or its place where it has none."""
    if not len(taskset):
        raise BadInput(f"{taskset.name} holds no task")
    for position, task in enumerate(taskset):
        if task.verifier is None:
            name = task.id or f"number {position + 1}"
            raise BadInput(
                f"task {name} of {taskset.name} has no answer and no verifier, so nothing can be measured on it"
            )
    return [task.id or str(position) for position, task in enumerate(taskset)]


def _name_of(evaluator: Any) -> str:
    if evaluator is None or isinstance(evaluator, str):
        return evaluator or ""
    name = getattr(evaluator, "__qualname__", None) or getattr(evaluator, "source", None) or type(evaluator).__name__
    return f"{getattr(evaluator, '__module__', '')}:{name}"
