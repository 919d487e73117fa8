"""Data generation as a LangGraph graph: plan -> generate -> label -> filter -> store -> ... -> report.

Runs over a task set are made in parallel, here or on a Ray cluster. Each finished run's trace is saved at once and
never paid again; every few of them are labelled, filtered and stored in the buffer while the others go on. The folder
is the state: what a kill interrupts, the same call goes on with. Traces are labelled in the order of the plan, whatever
order runs finish in, so that the buffer of many workers is that of one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from reflectree.graphs import blueprints
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.tasksets.published import PUBLISHED
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Retries
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelRejected, ModelUnreachable
from reflectree.rlm_ops.task import Task
from reflectree.training import filters as rules
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.pipelines.job import JobFolder
from reflectree.training.pipelines.labelling import Labelling, wants_completions
from reflectree.training.pipelines.pool import Caps
from reflectree.training.pipelines.recipe import LocalRunner, ModelWords, Recipe, Runner
from reflectree.training.pipelines.report import GenerationReport
from reflectree.training.pipelines.runs import Settings
from reflectree.training.pipelines.session import Generation, OnBegin, OnRun
from reflectree.training.samples import Split
from reflectree.training.shards import arrow
from reflectree.training.splits import Splits, TestTaskRefused

RECURSION_LIMIT = 10_000_000


async def agenerate(
    tasks: Sequence[Task],
    out: str | os.PathLike[str],
    *,
    blueprint: Any = "mcts",
    policy: Any = "embedded",
    judge: Any = None,
    models: dict[str, Any] | None = None,
    tools: Sequence[Any] = (),
    evaluator: Any = None,
    value_model: str | None = None,
    evaluator_name: str = "",
    budget: Budget | None = None,
    cap: Budget | None = None,
    runs: int = 1,
    seed: int = 0,
    parallel: int = 4,
    concurrency: int = 8,
    oracle: bool = False,
    retries: Retries | None = None,
    splits: Splits | None = None,
    only: Sequence[Split] = ("train", "valid"),
    labels: Sequence[str] = (),
    rollouts: int = 8,
    completer: Any = None,
    filters: Sequence[rules.Filter] = (),
    buffer: ReplayBuffer | str | os.PathLike[str] | None = None,
    round: int = 0,
    ray: str | None = None,
    ray_workers: int | None = None,
    on_begin: OnBegin | None = None,
    on_run: OnRun | None = None,
    on_note: Callable[[str], None] | None = None,
) -> GenerationReport:
    """Reason about every task, keep the traces, and make samples of them.

    Args:
        tasks: The tasks. Those of the test split are left out, and the published test sets refused.
        out: The job's folder; what it holds is not paid again.
        blueprint: The reasoning system.
        policy: The model that writes steps; for `ray` a string or `ModelWords`.
        judge: The model that judges, where it is not the policy.
        models: Further models by role.
        tools: What *act* steps may call.
        evaluator: What scores steps, as for `solve`.
        value_model: The name of a value model that does, in place of an evaluator.
        evaluator_name: Its name in the folder; by default what it calls itself.
        budget: Caps of one run.
        cap: Caps of the whole job, over all its sessions: when they are reached it pauses, and the same call with a
            higher cap goes on. One on calls, tokens or dollars needs a cap of that kind on each run.
        runs: Runs a task, with seeds `seed`, `seed + 1`, ...
        seed: The first seed.
        parallel: Runs at once.
        concurrency: Calls in flight at once in one run.
        oracle: Let search see gold answers (as the papers that make data do); the traces say so.
        retries: How transient faults are tried again.
        splits: The division into train, valid and test; that of the buffer, or a tenth each, where not given.
        only: The parts data are made of.
        labels: Names of `reflectree.training.labels.LABELS`; without any only traces are made.
        rollouts: Completions of a prefix, for labels that want them.
        completer: The model that writes them, where it is not the policy.
        filters: What samples must pass.
        buffer: Where samples go.
        round: The round of the loop, written into the samples.
        ray: `local`, or the address of a Ray cluster, to spread the runs over it.
        ray_workers: Workers there; as many as `parallel` by default.
        on_begin: Called once the plan stands, before anything is paid.
        on_run: Called after each run that was made now.
        on_note: Told what a user may want to know meanwhile: that a worker died, and its run is made again.

    Raises:
        BadInput: Something given cannot work, or the folder holds other data. Nothing was paid.
        TestTaskRefused: All tasks are test tasks, or of a published test set.
        ModelError: The model cannot be reached or refuses; what was finished before is kept.
    """
    if evaluator is not None and value_model is not None:
        raise BadInput("evaluator= and value_model= both say what a step is worth: give one of them")
    if runs < 1 or parallel < 1:
        raise BadInput(f"runs={runs}, parallel={parallel}: give at least 1 of each")
    if not len(tasks):
        raise BadInput("there is no task: give at least one")
    refuse_published(getattr(tasks, "name", ""))
    if labels and buffer is None:
        raise BadInput("samples need a place: give buffer=, the folder of a replay buffer")
    store = buffer if isinstance(buffer, ReplayBuffer) or buffer is None else ReplayBuffer(buffer, splits=splits)
    division = splits or (store.splits if store is not None else None) or Splits()
    if store is not None and store.splits is None:
        store = ReplayBuffer(store.path, splits=division, filters=store.filters)
    roles = {**({} if judge is None else {"judge": judge}), **(models or {})}
    recipe = Recipe(
        blueprint=blueprints.load(blueprint), policy=policy, models=roles, tools=tuple(tools), evaluator=evaluator,
        value_model=value_model, budget=budget or Budget(), concurrency=concurrency, oracle=oracle, retries=retries,
    )  # fmt: skip
    setup = await recipe.check(tasks[0])
    caps = Caps(cap or Budget(), setup.budget)
    settings = Settings(
        blueprint=setup.blueprint.model_dump(mode="json"), policy=setup.policy.name,
        models={role: model.name for role, model in setup.roles.items() if role != "policy"}, tools=recipe.tool_names,
        evaluator=evaluator_name or recipe.evaluator_name, budget=asdict(setup.budget), splits=division.to_json(),
        oracle=oracle,
    )  # fmt: skip
    if labels:  # refused before anything is paid
        Labelling(labels, policy=setup.policy)
        arrow()
    writer = _writer(recipe, completer) if labels and wants_completions(labels) else contextlib.nullcontext()
    with JobFolder.open(out, settings) as job:
        try:
            async with _runner(recipe, job, ray, ray_workers or parallel) as runner, writer as model:
                label = None
                if labels:
                    folder = job.path / "rollouts"
                    label = Labelling(labels, policy=model, rollouts=rollouts, retries=retries, folder=folder)
                session = Generation(
                    tasks, job, runner, caps, splits=division, only=only, runs=runs, seed=seed, parallel=parallel,
                    label=label, filters=filters, buffer=store, round=round, on_begin=on_begin, on_run=on_run,
                    on_note=on_note,
                )  # fmt: skip
                try:
                    graph = session.graph().compile(name="reflectree:data_generation")
                    await graph.ainvoke({"batch": [], "rows": [], "dropped": {}}, {"recursion_limit": RECURSION_LIMIT})
                finally:
                    await session.aclose()
                assert session.report is not None, "the graph ends with its report"
                return session.report
        except (ModelRejected, ModelUnreachable):
            job.forget()
            raise


def generate(tasks: Sequence[Task], out: str | os.PathLike[str], **options: Any) -> GenerationReport:
    """`agenerate` for code that is not async: the same arguments, result and errors."""
    return run_sync(agenerate(tasks, out, **options))


def refuse_published(spec: str) -> None:
    """Refuse a task set that is a published test set, whole or as part of a mix.

    Raises:
        TestTaskRefused: It is one; the message says what to give instead.
    """
    for part in spec.removeprefix("mix:").split("|"):
        if part.strip() in PUBLISHED:
            name = part.strip()
            raise TestTaskRefused(
                f"{name} is a published test set, which nothing may be learnt from: give training tasks of its kind as "
                f"{name}:FILE, or a generated set"
            )


@contextlib.asynccontextmanager
async def _runner(recipe: Recipe, job: JobFolder, address: str | None, workers: int) -> AsyncIterator[Runner]:
    if address is None:
        async with LocalRunner.open(recipe, job.checkpoint) as runner:
            yield runner
        return
    from reflectree.training.pipelines.spread import RayRunner

    async with RayRunner.open(recipe, address, workers) as spread:
        yield spread


@contextlib.asynccontextmanager
async def _writer(recipe: Recipe, completer: Any) -> AsyncIterator[PolicyModel | None]:
    """The model that writes completions, here and not on the workers."""
    policy = recipe.policy if completer is None else completer
    alone = replace(recipe, policy=policy, models={}, evaluator=None, value_model=None)
    async with alone.built() as options:
        yield options["policy"]


__all__ = ["Generation", "GenerationReport", "ModelWords", "agenerate", "generate", "refuse_published"]
