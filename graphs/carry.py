"""One run carried to its end: a fresh one, the rest of a saved one, or a nested one."""

from __future__ import annotations

import time
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from reflectree.graphs.adapters.telemetry import labels
from reflectree.graphs.people import NOBODY
from reflectree.graphs.reasoning import assemble
from reflectree.graphs.result import Result
from reflectree.graphs.setup import Setup
from reflectree.graphs.state import task_input
from reflectree.graphs.straight import straight, unobserved
from reflectree.graphs.wiring import compiled
from reflectree.rlm_ops.budget import Ledger
from reflectree.rlm_ops.errors import BadInput, NeedsPerson, TraceError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace

RECURSION_LIMIT = 10_000_000
"""Supersteps: the budget bounds a run, not LangGraph's default of 10,007."""


async def carry_on(
    setup: Setup,
    task: Task,
    saver: BaseCheckpointSaver[Any] | None,
    run_id: str,
    *,
    parent: Ledger | None = None,
    reply: str | None = None,
) -> Result:
    """Run to the end, from wherever the saved run of this name stands.

    Args:
        setup: What to run with.
        task: The task.
        saver: Where the run is checkpointed.
        run_id: Its name there.
        parent: The account of the run it is nested in.
        reply: What a person says to the question that the saved run waits with.

    Raises:
        BadInput: The run asks a person, and there is neither one nor a checkpoint; or nobody waits for the reply.
        NeedsPerson: The run waits for a person, and is saved.
        TraceError: The saved run of this name has another task, blueprint or seed.
        ModelError: The model cannot be reached or refuses, and there is no answer yet.
    """
    started = time.perf_counter()
    if setup.asking is not None and setup.person is None and saver is None:
        raise BadInput(NOBODY.format(name=setup.blueprint.name))
    shape, work, live = assemble(setup, saver=saver, thread=run_id, parent=parent)
    config: RunnableConfig = {
        **labels(setup),
        "recursion_limit": RECURSION_LIMIT,
        "configurable": {"thread_id": run_id},
    }
    if saver is None and reply is None and unobserved():
        try:
            output = await straight(work, task_input(task), config)
        finally:
            live.close()  # a run cancelled between two supersteps must not leave calls in flight
        return Result.of(Trace.from_rows(output["trace"], run_id=run_id), time.perf_counter() - started)
    graph = compiled(shape) if saver is None else compiled(shape).copy({"checkpointer": saver})
    graph_input: Any = {"task": task_input(task)}
    waits = False
    if saver is not None:
        state = await graph.aget_state(config)
        rows = state.values.get("trace") or []
        if rows:
            trace = Trace.from_rows(rows, run_id=run_id)
            _check_same_task(trace, task)
            if trace.answered is not None:
                if parent is not None:
                    parent.take_over(trace.usage)
                return Result.of(trace, time.perf_counter() - started)
        # `next` is also empty where the last superstep's writes were saved and its checkpoint was not
        if rows or state.next:
            graph_input = None
        waits = bool(state.interrupts)
    if reply is not None:
        if not waits:
            raise BadInput(f"run {run_id} waits for no reply: leave reply= out")
        graph_input = Command(resume=reply)
    options: dict[str, Any] = {"durability": "sync"} if saver is not None else {}
    try:
        output = await graph.ainvoke(graph_input, config, context=work, **options)
    finally:
        live.close()  # as above
    if "__interrupt__" in output:
        raise NeedsPerson(run_id, output["__interrupt__"][0].value)
    trace = Trace.from_rows(output["trace"], run_id=run_id)
    if saver is not None:
        for row in trace.rows:  # what nested runs saved stands in the steps they made
            if "run" in row:
                await saver.adelete_thread(row["run"])
    return Result.of(trace, time.perf_counter() - started)


def _check_same_task(trace: Trace, task: Task) -> None:
    began = trace.began
    if began is None or began.question != task.question or began.context != task.context:
        asked = "nothing" if began is None else repr(began.question[:60])
        raise TraceError(f"run {trace.run_id} asked {asked}: use its task, or a new run id for this one")
