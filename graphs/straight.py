"""The nodes of a reasoning graph carried out in order, for a run that uses nothing of LangGraph but its words.

A run without a checkpointer that nobody streams, traces or listens to needs no channels, no versions and no plan of
what is triggered: three quarters of the processor time of a short run went there. What the nodes do, and how one hands
on to the next, is the same: all that a node sends is carried out side by side, a superstep ends when all of it has
returned, and what they wrote is applied in the order in which they were sent. The graph stays the definition
(`reflectree.graphs.wiring`); everything else goes through it, and the same run leaves the same trace on both ways.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, Send

from reflectree.graphs.state import TaskInput
from reflectree.graphs.wiring import Work
from reflectree.rlm_ops.trace import append

_Todo: TypeAlias = list[tuple[str, Any]]
"""Nodes of one superstep, with what each was sent; `None` is the state."""
_RUNTIME: Runtime[Any] = Runtime()
_ALONE = {"__pregel_checkpointer": None, "__pregel_runtime": _RUNTIME}
"""What LangGraph tells nodes and tools through their configuration, where there is nothing to tell."""
_TASK = "__pregel_task_id"
"""By this LangGraph knows a graph that runs in a node of another one; it has no public name."""


def unobserved() -> bool:
    """Whether a run begun here is no part of another graph's, and nobody is told of what it does.

    Callbacks may be given, set for the process, or put in by what traces it: LangChain says what they come to.
    """
    ambient: Mapping[str, Any] = var_child_runnable_config.get() or {}
    if _TASK in ambient.get("configurable", {}):
        return False
    return not AsyncCallbackManager.configure(ambient.get("callbacks")).handlers


async def straight(work: Mapping[str, Work], task: TaskInput, config: RunnableConfig) -> dict[str, Any]:
    """Carry out the nodes of a graph from its start to its end.

    Args:
        work: What the nodes do, by name.
        task: The graph's input.
        config: The run's name and labels, for the nodes and for what models and tools are told.

    Returns:
        The state at the end.
    """
    alone: RunnableConfig = {**config, "configurable": {**config.get("configurable", {}), **_ALONE}}
    state: dict[str, Any] = {"task": task}
    told = var_child_runnable_config.set(alone)
    try:
        todo: _Todo = [("recall", None)]
        while todo:
            found = await _superstep(work, [(name, state if given is None else given) for name, given in todo], alone)
            state.pop("task", None)
            _write(state, [one.update if isinstance(one, Command) else one for one in found])
            todo = _sent([name for name, _ in todo], found)
            if len(todo) == 1 and todo[0][1] is None:
                # nodes that wait for nothing must not keep other runs, and their own calls, waiting
                await asyncio.sleep(0)
        return state
    finally:
        var_child_runnable_config.reset(told)


async def _superstep(work: Mapping[str, Work], todo: _Todo, config: RunnableConfig) -> Sequence[Any]:
    """What the nodes return; the first that fails ends the others."""
    if len(todo) == 1:
        name, given = todo[0]
        return [await work[name](given, config, _RUNTIME)]
    tasks = [asyncio.ensure_future(work[name](given, config, _RUNTIME)) for name, given in todo]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = next((task for task in tasks if task.done() and task.exception() is not None), None)
        return [task.result() for task in ([failed] if failed else tasks)]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _write(state: dict[str, Any], updates: Sequence[Any]) -> None:
    """Apply what the nodes of a superstep wrote, in their order; a new list each time, for others may hold the old."""
    batches: list[Any] = []
    for update in updates:
        for name, value in (update or {}).items():
            if name == "trace":
                batches.append(value)
            else:
                state[name] = value
    anew = next((batch.value for batch in batches if isinstance(batch, Overwrite)), None)
    if anew is not None:
        state["trace"] = list(anew)
    elif batches:
        state["trace"] = append(state.get("trace"), batches)


def _sent(names: Sequence[str], found: Sequence[Any]) -> _Todo:
    """What comes next: what commands send, and the controller once where agents or a person have returned."""
    sent: _Todo = []
    returned = False
    for name, one in zip(names, found, strict=True):
        goto = one.goto if isinstance(one, Command) else () if name == "answer" else "controller"
        for to in goto if isinstance(goto, list | tuple) else (goto,):
            if isinstance(to, Send):
                sent.append((to.node, to.arg))
            else:
                returned = True
    return [*sent, ("controller", None)] if returned else sent
