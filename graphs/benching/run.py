"""Run every blueprint over every task, each under the same cap on tokens, and go on where an earlier run stopped.

Knows nothing of terminals: progress goes to a callback. Tasks are taken one after another and all blueprints see a task
before the next one begins, so that what an interruption leaves behind is still a fair comparison.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reflectree
from reflectree.agents import evaluators
from reflectree.agents.tools import read_tools
from reflectree.graphs import blueprints as known_blueprints
from reflectree.graphs.benching.record import BenchFile, Outcome, Settings
from reflectree.graphs.benching.report import BASELINES, Report, report
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.preparing import prepare
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.graphs.tasksets import TaskSet
from reflectree.models.calling import Retries
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.strategies import BestOfN, SelfConsistency
from reflectree.rlm_ops.task import Task

if TYPE_CHECKING:
    from reflectree.graphs.memory.access import Memory

OnOutcome = Callable[[Outcome, Result], None]


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

    Returns:
        The report over the tasks that all blueprints have done.

    Raises:
        BadInput: Something given cannot work, or the file holds other settings. Nothing was paid.
        ModelError: The model cannot be reached or refuses; what was done before is in the file.
    """
    scorer = evaluators.resolved(evaluator)
    model, examiner = resolve_policy(policy), None if judge is None else resolve_policy(judge)
    others = {role: resolve_policy(other) for role, other in (models or {}).items()}
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
            await _run(list(zip(ids, taskset, strict=True)), plans, file, common, _Clock(seconds), on_outcome)
            return report(settings, file.done)
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


class _Clock:
    """Says whether another task still fits into the time, going by the last few: the first one loads the model."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._begun = self._last = time.monotonic()
        self._recent: deque[float] = deque([0.0], maxlen=3)

    def task_done(self) -> None:
        """A task has ended now."""
        now = time.monotonic()
        self._recent.append(now - self._last)
        self._last = now

    def is_time_for_another(self) -> bool:
        """Whether a task as slow as the slowest of the last few would end in time."""
        left = float("inf") if self._seconds is None else self._begun + self._seconds - time.monotonic()
        return max(self._recent) <= left


async def _run(
    tasks: Sequence[tuple[str, Task]],
    plans: Sequence[Blueprint],
    file: BenchFile,
    common: dict[str, Any],
    clock: _Clock,
    on_outcome: OnOutcome | None,
) -> None:
    done = {(outcome.blueprint, outcome.task) for outcome in file.done}
    for name, task in tasks:
        left = [plan for plan in plans if (plan.name, name) not in done]
        if left and not clock.is_time_for_another():
            return
        for plan in left:
            recalls_only = common["memory"] is not None and not common["memory"].writes
            run_id = f"{plan.name}/{name}" if recalls_only else None  # a run's name is a seed of what it recalls
            result = await asolve(task, blueprint=plan, run_id=run_id, **common)
            if result.stop_reason.startswith("model:"):
                raise ModelError(
                    f"the model stopped answering ({result.stop_reason[6:]}) at task {name} under {plan.name}: "
                    "run the same command again once it does"
                )
            outcome = Outcome.of(plan.name, name, result)
            file.add(outcome)
            if on_outcome is not None:
                on_outcome(outcome, result)
        clock.task_done()


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
