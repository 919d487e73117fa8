"""One task, reasoned to an answer: `solve`, `resume`, and their async twins."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph

from reflectree.agents import evaluators
from reflectree.agents.acting import WorldError, task_with
from reflectree.agents.asking import Person
from reflectree.agents.attempts import Wanted
from reflectree.agents.base import Agent
from reflectree.graphs.adapters.telemetry import traced
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.carry import carry_on
from reflectree.graphs.checkpoint import held_saver
from reflectree.graphs.live import OnEvent
from reflectree.graphs.postgres import is_url
from reflectree.graphs.preparing import prepare
from reflectree.graphs.result import Result
from reflectree.graphs.setup import Setup
from reflectree.graphs.state import ReasoningState
from reflectree.models.calling import Retries
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.task import Task, Verifier
from reflectree.rlm_ops.trace import Trace

_NODES = ("controller", "generator", "refiner", "aggregator", "enricher", "evaluator", "person", "reflect", "answer")
"""Nodes to which a saved run may have something waiting."""

Checkpoint = str | os.PathLike[str] | BaseCheckpointSaver[Any]


async def asolve(
    task: str | Task | None = None,
    *,
    blueprint: Any = "mcts",
    policy: Any = "embedded",
    evaluator: Any = None,
    verifier: Verifier | None = None,
    judge: Any = None,
    models: Mapping[str, Any] | None = None,
    tools: Sequence[Any] | None = None,
    memory: Any = None,
    agents: Mapping[str, Agent] | None = None,
    environment: Any = None,
    person: Person | None = None,
    safety: Any = None,
    wanted: Wanted | None = None,
    reply: str | None = None,
    budget: Budget | None = None,
    concurrency: int = 8,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    run_id: str | None = None,
    on_event: OnEvent | None = None,
    on_nested: OnEvent | None = None,
    oracle: bool = False,
    retries: Retries | None = None,
) -> Result:
    """Reason about a task until there is an answer or the budget ends.

    Args:
        task: A question, or a `Task` with context, examples and verifier. A run in an environment may go without: it
            then has the environment's own, with what is seen at the beginning.
        blueprint: The reasoning system: a name, a YAML or JSON file, data, or a `Blueprint`.
        policy: The model that writes steps: a string (`embedded`, `openai/gpt-5-mini`, `http://host:port/v1#MODEL`,
            `litellm/...`), a LangChain chat model, or a `PolicyModel`.
        evaluator: What scores steps: a function of a `Path` that returns a float in [0, 1], one of
            `reflectree.evaluators`, a value, reward or preference model, or the name of one (`reflectree.value_model`).
            Without one: a verifier that needs no gold, else the policy as its judge.
        verifier: What says whether the answer is right. One that knows the gold answer only reports, at the end.
        judge: The model that judges, where it is not the policy.
        models: Further models by the roles a blueprint names, for instance `{"critic": "openai/gpt-5"}`.
        tools: What *act* steps may call: LangChain tools, or typed Python functions.
        memory: What the run recalls from and learns into: a folder, a `Ledger`, or a `Memory` of one, which also says
            for whom and for which part of a task set. Without one, a blueprint's memory part does nothing.
        agents: Agents of your own by operator, in place of those that the blueprint's settings make.
        environment: What commands are carried out in: a function that makes an `Environment`, one of them, or a name
            such as `textworld/coin-3`. Without a verifier, its own score of the commands stands in the final report.
        person: Answers what the run asks a person: a function of the `Question` that returns the reply, async or not.
            Without one the run is saved and ends with `NeedsPerson`, and goes on with the `reply`.
        safety: Refuses commands of tools and environments before they are carried out: a function of the command that
            returns a reason or `None`, or `"hazards"` for the list of this package.
        wanted: Says what is wrong with the form of an answer, or `None`: a reply with such an answer is asked for once
            more, and then counts as failed. Where a refinement or a nested run comes to such an answer, it scores 0.
        reply: What the person says to the question that a saved run waits with.
        budget: Hard caps on calls, tokens, dollars and seconds.
        concurrency: Calls in flight at once.
        seed: Seed of all sampling.
        checkpoint: A SQLite file, the address of a Postgres database (`postgresql://...`), or a LangGraph saver: makes
            the run resumable at any instant.
        run_id: The run's name. With a checkpoint, an unfinished run of that name goes on, and a finished one is
            returned without a call.
        on_event: Called with each event and the structure after it.
        on_nested: Called with each event of runs nested in this one, and the structure of that run after it.
        oracle: Let search see the verifier's gold answer; the result says so.
        retries: How transient faults are tried again.

    Returns:
        The result, with `answer=None` where the budget ended before any answer.

    Raises:
        BadInput: Something given cannot work. Nothing was paid.
        NeedsPerson: The run waits for a person, saved in the checkpoint.
        ModelError: The model cannot be reached or refuses, and there is no answer yet.
    """
    words = Task(task) if isinstance(task, str) else task
    scorer = evaluators.resolved(evaluator)
    setup = prepare(
        blueprint,
        policy,
        evaluator=scorer,
        verifier=verifier or (words.verifier if words else None),
        judge=judge,
        models=models,
        tools=tools,
        budget=budget,
        concurrency=concurrency,
        seed=seed,
        oracle=oracle,
        retries=retries,
        on_event=on_event,
        on_nested=on_nested,
        memory=memory,
        agents=agents,
        environment=environment,
        person=person,
        safety=safety,
        wanted=wanted,
    )
    try:
        asked = words or await _own_task(setup)
        async with held_saver(checkpoint, run_id := run_id or uuid.uuid4().hex[:12]) as saver:
            return await traced(setup, run_id, lambda seen: carry_on(seen, asked, saver, run_id, reply=reply))
    finally:
        given = {id(model) for model in (policy, judge, *(models or {}).values())}
        for model in setup.roles.values():
            if id(model) not in given:
                await model.aclose()
        if scorer is not evaluator:
            await scorer.aclose()
        if setup.memory is not None and isinstance(memory, str | os.PathLike):
            setup.memory.close()
        if setup.worlds is not None:
            await setup.worlds.aclose()


async def _own_task(setup: Setup) -> Task:
    """The task of the environment.

    Raises:
        BadInput: There is no environment, or it does not even begin.
    """
    if setup.worlds is None:
        raise BadInput("no task: give a question, or environment=..., which has a task of its own")
    try:
        return task_with(*await setup.worlds.begin(setup.blueprint.operators.enrich.timeout))
    except WorldError as error:
        raise BadInput(f"the environment does not begin: {error}") from error


def solve(task: str | Task | None = None, **options: Any) -> Result:
    """`asolve` for code that is not async: the same arguments, result and errors."""
    return run_sync(asolve(task, **options))


async def aresume(run_id: str, checkpoint: Checkpoint, *, policy: Any = None, **options: Any) -> Result:
    """Go on with an unfinished run; a finished one is returned without a call.

    The task, the blueprint, the seed and (unless given) the policy are those the run was begun with. What a checkpoint
    cannot hold (an evaluator, a verifier, keys, a budget) is given again. Where the run waits for a person, `reply` is
    what they say.

    Raises:
        BadInput: There is no such run.
    """
    saved = await asaved_trace(run_id, checkpoint)
    if saved.answered is not None:
        return Result.of(saved, 0.0)
    began = saved.began
    if began is None:
        raise TraceError(f"run {run_id} does not begin with its task")
    if policy is None:
        policy = _policy_named(began.policy, run_id)
    task = Task(began.question, began.context, began.examples, began.tools, id=began.task_id, form=began.form)
    blueprint = Blueprint.parse(began.blueprint, origin=f"run {run_id}")
    return await asolve(
        task,
        blueprint=blueprint,
        policy=policy,
        seed=began.seed,
        oracle=began.oracle,
        checkpoint=checkpoint,
        run_id=run_id,
        **options,
    )


def resume(run_id: str, checkpoint: Checkpoint, **options: Any) -> Result:
    """`aresume` for code that is not async."""
    return run_sync(aresume(run_id, checkpoint, **options))


async def asaved_trace(run_id: str, checkpoint: Checkpoint) -> Trace:
    """The trace of a saved run, finished or not.

    Raises:
        BadInput: There is no such run.
    """
    _require_file(checkpoint)
    async with held_saver(checkpoint, run_id) as saver:
        reader = StateGraph(ReasoningState).set_entry_point("controller")
        for name in _NODES:  # LangGraph warns of what waits to be sent to a node it does not know
            reader.add_node(name, _nothing)
        state = await reader.compile(checkpointer=saver).aget_state({"configurable": {"thread_id": run_id}})
    rows = state.values.get("trace")
    if not rows:
        raise BadInput(f"no run {run_id!r} in this checkpoint: check the run id and the file")
    return Trace.from_rows(rows, run_id=run_id)


def saved_trace(run_id: str, checkpoint: Checkpoint) -> Trace:
    """`asaved_trace` for code that is not async."""
    return run_sync(asaved_trace(run_id, checkpoint))


def _policy_named(name: str, run_id: str) -> str:
    """The name, if a policy can be made of it.

    Raises:
        BadInput: It was an object, of which only the name was kept.
    """
    try:
        resolve_policy(name)
    except BadInput as error:
        raise BadInput(f"run {run_id} was begun with a policy called {name!r}: give it again as policy=") from error
    return name


def _require_file(checkpoint: Checkpoint) -> None:
    """Refuse to make an empty file where a run should be."""
    if isinstance(checkpoint, BaseCheckpointSaver) or is_url(checkpoint):
        return
    if not FilePath(checkpoint).exists():
        raise BadInput(f"no checkpoint at {os.fspath(checkpoint)}: check the path")


def _nothing(state: ReasoningState) -> dict[str, Any]:
    return {}


__all__ = ["aresume", "asaved_trace", "asolve", "resume", "saved_trace", "solve"]
