"""`design_search`: search for a better design of a system, as a run like any other, and measure it on untouched tasks.

The search is a run of the method's blueprint whose nodes are designs; its trace, its outcomes and its report lie in one
folder, and the same call goes on where an earlier one stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver

from reflectree.graphs.bridge import run_sync
from reflectree.graphs.checkpoint import open_saver, run_lock
from reflectree.graphs.design_search.acceptance import LEVEL, Rule
from reflectree.graphs.design_search.cache import Cache, Made
from reflectree.graphs.design_search.checking import Limits
from reflectree.graphs.design_search.evaluator import TOLD, DesignEvaluator, DesignEvaluatorAgent
from reflectree.graphs.design_search.examples import EXAMPLE, Bench, Examples
from reflectree.graphs.design_search.final import Finish, finish
from reflectree.graphs.design_search.methods import Method
from reflectree.graphs.design_search.parameters import Level
from reflectree.graphs.design_search.planning import Plan, planned
from reflectree.graphs.design_search.preflight import Preflight, preflight, rest
from reflectree.graphs.design_search.proposals import PROPOSER, Context
from reflectree.graphs.design_search.report import SearchReport
from reflectree.graphs.design_search.reserve import Reserve
from reflectree.graphs.design_search.splits import Splits
from reflectree.graphs.design_search.spread import WORKERS, Cluster, SpreadExamples, build
from reflectree.graphs.live import OnEvent
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models.calling import Retries
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

RUN = "search"
"""The run's name in its checkpoint."""
OnExample: TypeAlias = Callable[[Made], None]


@dataclass(frozen=True, slots=True)
class Watching:
    """Who is told of a search while it goes on; as `adesign_search` says."""

    on_event: OnEvent | None = None
    on_begin: Callable[[Preflight, Plan], None] | None = None
    on_example: OnExample | None = None
    on_lost: Callable[[str], None] | None = None


async def adesign_search(
    seed_blueprint: Any,
    tasks: Splits | Iterable[Task],
    *,
    level: Level = "prompt",
    method: str | Method | None = None,
    policy: Any = "embedded",
    proposer: Any = "policy",
    models: Mapping[str, Any] | None = None,
    tools: Sequence[Any] = (),
    memory: Any = None,
    budget: Budget | None = None,
    example_budget: Budget = EXAMPLE,
    folder: str | os.PathLike[str] | None = None,
    seed: int = 0,
    concurrency: int = 8,
    settings: Mapping[str, Any] | None = None,
    strategies: Sequence[str] | None = None,
    limits: Limits | None = None,
    minibatch: int = 8,
    rule: Rule = "bootstrap",
    certainty: float = LEVEL,
    about: str = "",
    ray: str | None = None,
    ray_workers: int = WORKERS,
    retries: Retries | None = None,
    on_event: OnEvent | None = None,
    on_begin: Callable[[Preflight, Plan], None] | None = None,
    on_example: OnExample | None = None,
    on_lost: Callable[[str], None] | None = None,
) -> SearchReport:
    """Search for a design that is better than a seed design, and measure it on tasks that the search never saw.

    Args:
        seed_blueprint: The design to begin with: a blueprint's name, file or data.
        tasks: The tasks, each with a verifier, which are split by content; or the parts themselves.
        level: What may change: `prompt`, `module` (prompts too) or `agent` (all of it).
        method: A method of `METHODS`; by default the level's usual one.
        policy: The model that the designs use.
        proposer: The model that proposes designs; "policy" is the policy itself, and with `None` designs are varied by
            seeded chance.
        models: Further models that designs may use, by role.
        tools: What designs may call.
        memory: What designs may recall from; nothing is written.
        budget: Hard caps of search and final test together.
        example_budget: Caps of one example.
        folder: Where trace, outcomes and report are kept; with it, a search that was stopped goes on.
        seed: Seed of all sampling.
        concurrency: Calls in flight at once.
        settings: Changes to the method's own parameters: `{"iterations": 10}`.
        strategies: Strategies that designs may use, in place of the level's usual ones.
        limits: How large a design may be.
        minibatch: Examples a minibatch.
        rule: How sure one is that a design is better than the seed: `bootstrap`, `sign` or `beta`.
        certainty: How sure one has to be.
        about: What the tasks are, in words; it is shown to the proposing model.
        ray: The address of a Ray cluster on which designs are run, `local` for one of its own; models are then given
            by name, and each worker has `concurrency` calls in flight.
        ray_workers: Workers there.
        retries: How transient faults are tried again.
        on_event: Called with each event of the search.
        on_begin: Called once with the preflight's estimate before the search begins.
        on_example: Called with each outcome of a design on an example that was run now.
        on_lost: Called with what is to be said of each run that was lost with its Ray worker.

    Raises:
        BadInput: Something given cannot work, or the budget cannot pay one evaluation of the seed.
        TraceError: The folder holds another search.
        ModelError: A model cannot be reached or refuses.
    """
    given = {"policy": policy, **(models or {})}
    resolved = {role: build(model) for role, model in given.items()}
    chooser = None if proposer in (None, "policy") else resolve_policy(proposer)
    try:
        bench = Bench(resolved, tuple(tools), memory, example_budget, concurrency, seed, retries)
        plan = planned(
            *(seed_blueprint, tasks, level, method, bench, proposer is not None),
            settings=settings or {},
            strategies=strategies,
            limits=limits or Limits(),
            minibatch=minibatch,
            rule=rule,
            certainty=certainty,
            about=about,
        )
        watching = Watching(on_event, on_begin, on_example, on_lost)
        async with _cluster(ray, ray_workers, given, bench) as cluster:
            return await _search(replace(plan, cluster=cluster), budget or Budget(), folder, chooser, watching)
    finally:
        for role, model in resolved.items():
            if model is not given[role]:
                await model.aclose()
        if chooser is not None and chooser is not proposer:
            await chooser.aclose()


@contextlib.asynccontextmanager
async def _cluster(
    address: str | None, workers: int, models: Mapping[str, Any], bench: Bench
) -> AsyncIterator[Cluster | None]:
    """The workers, where designs are run on some."""
    if address is None:
        yield None
        return
    async with Cluster.open(models, bench, address, workers) as cluster:
        yield cluster


def design_search(seed_blueprint: Any, tasks: Splits | Iterable[Task], **options: Any) -> SearchReport:
    """`adesign_search` for code that is not async: the same arguments, result and errors."""
    return run_sync(adesign_search(seed_blueprint, tasks, **options))


async def _search(
    plan: Plan,
    budget: Budget,
    folder: str | os.PathLike[str] | None,
    proposer: Any,
    watching: Watching,
) -> SearchReport:
    """In a folder of its own, or in memory."""
    if folder is None:
        return await _carry_out(plan, budget, Cache(), None, proposer, watching)
    place = _folder(folder)
    file = place / "search.sqlite"
    with run_lock(file, RUN), open_saver(file) as saver:
        cache = Cache(place / "examples.sqlite")
        try:
            cache.check("search", plan.header())
            report = await _carry_out(plan, budget, cache, saver, proposer, watching)
        finally:
            cache.close()
    report.save(place)
    return report


def _folder(folder: str | os.PathLike[str]) -> Path:
    """The folder, made where it is not there."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make the folder {place}: {error.strerror}; choose another") from error
    return place


async def _carry_out(
    plan: Plan,
    budget: Budget,
    cache: Cache,
    saver: BaseCheckpointSaver[Any] | None,
    proposer: Any,
    watching: Watching,
) -> SearchReport:
    told = TOLD if plan.proposes and plan.method.reads_feedback else 0
    if plan.cluster is None:
        examples = Examples(plan.bench, cache, saver, on_example=watching.on_example)
    else:
        examples = SpreadExamples(
            plan.bench, cache, on_example=watching.on_example, cluster=plan.cluster, on_lost=watching.on_lost
        )
    evaluator = DesignEvaluator(plan.splits, examples, plan.minibatch, told=told)
    sizes = len(plan.splits.validation), len(plan.splits.test)
    before = await preflight(evaluator, plan.space.seed, budget, *sizes)
    whole = rest(budget, before.usage)
    evaluator.reserve = Reserve(plan.space.seed, examples, sizes[1], whole, before.search, plan.rule, plan.level)
    if watching.on_begin is not None:
        watching.on_begin(before, plan)
    result = await _run(plan, evaluator, before, saver, proposer, watching.on_event)
    return await finish(
        Finish(plan.space.seed, evaluator, plan.rule, plan.level), result, before, budget, plan.header()
    )


async def _run(
    plan: Plan,
    evaluator: DesignEvaluator,
    before: Preflight,
    saver: BaseCheckpointSaver[Any] | None,
    proposer: Any,
    on_event: OnEvent | None,
) -> Result:
    """The search itself."""
    context = Context(plan.space, plan.splits.train, plan.about, slots=evaluator.examples.slots)
    agents = dict(plan.method.agents(context, proposes=plan.proposes, blueprint=plan.blueprint))
    others = plan.method.evaluators(context, proposes=plan.proposes)
    agents["evaluate"] = DesignEvaluatorAgent(evaluator, others)
    roles = {role: model for role, model in plan.bench.models.items() if role not in ("policy", "judge")}
    if proposer is not None:
        roles[PROPOSER] = proposer
    words = f"Search at level {plan.space.level} for a design that is better than {plan.space.seed.name}."
    about = json.dumps({"level": plan.space.level, "method": plan.method.name, "about": plan.about})
    return await asolve(
        Task(words, context=about, form="code"),  # designs are compared to the letter, as programs are
        blueprint=plan.blueprint,
        policy=plan.bench.models["policy"],
        judge=plan.bench.models.get("judge"),
        models=roles,
        agents=agents,
        budget=before.search,
        concurrency=plan.bench.width,
        seed=plan.bench.seed,
        checkpoint=saver,
        run_id=RUN,
        retries=plan.bench.retries,
        on_event=on_event,
    )
