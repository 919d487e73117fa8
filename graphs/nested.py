"""Nested runs: a step that is the outcome of a structure of its own.

A nested run is a whole run: its own graph, structure and trace. It shares the models of the run it is part of, and its
account: what it reserves is reserved there too. What that run was shown of a memory it is shown as well; it recalls
and learns nothing by itself. With a checkpointer that this package opened it has a thread of its
own, so that a killed run finds what its nested runs had settled; its events end up in the step that it makes.
"""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from reflectree.agents.base import AgentRun
from reflectree.agents.nested import NestedOutcome
from reflectree.graphs.result import Result
from reflectree.graphs.setup import Setup
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BudgetRefused
from reflectree.rlm_ops.settings import Generate, Nested
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Task

if TYPE_CHECKING:
    from reflectree.graphs.memory.access import Memory


class NestedGraphs:
    """Carries out nested runs as graphs of their own.

    Args:
        setup: The set-up of the outer run, which holds those of the inner ones.
        saver: Where inner runs are checkpointed; `None` keeps them in memory alone.
        thread: The outer run's name, with which the names of inner ones begin.
    """

    def __init__(self, setup: Setup, saver: BaseCheckpointSaver[Any] | None, thread: str) -> None:
        self._setup = setup
        self._saver = saver
        self._thread = thread
        self._width = max(1, setup.concurrency)

    async def run(self, nested: Nested, path: Path, call: Call, run: AgentRun) -> NestedOutcome:
        """Carry out one.

        Raises:
            BudgetRefused: The budget allows not even its first call.
            ModelError: The model cannot be reached or refuses.
        """
        from reflectree.graphs.carry import carry_on  # the graph is built of nodes that hold nested runs

        inner = self._setup.inner[call.how if call.how in self._setup.inner else ""]
        slots = max(1, self._width // max(1, run.structure.calls_in_flight))
        # a verifier that knows the gold answer has no word before the outer run is over
        verifier = self._setup.usable_verifier
        memory = _shown(self._setup.memory, run)
        inner = replace(inner, seed=call.seed(run.seed), concurrency=slots, verifier=verifier, memory=memory)
        task = _started(path, nested, self._setup.blueprint.operators.generate.variant(call.how), call, run.seed)
        name = f"{self._thread}/{call.op}-{'-'.join(map(str, call.nodes))}-{call.index}"
        work = carry_on(inner, task, self._saver, name, parent=run.ledger)
        # in a context of its own: LangGraph would otherwise take it for a part of the superstep that started it
        result: Result = await asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        if not result.usage.calls and result.stop_reason.startswith("budget:"):
            raise BudgetRefused(result.stop_reason.removeprefix("budget:"))
        return NestedOutcome(
            rows=result.trace.rows,
            run_id=name,
            answer=result.answer,
            text="" if result.answer is None else _told(result),
            score=result.score,
            usage=result.usage,
            reason=result.stop_reason,
        )


def _shown(memory: Memory | None, run: AgentRun) -> Memory | None:
    """What the outer run was shown, for the inner one: nothing of its own is recalled there, and nothing learnt.

    Whether records help is known by the outer run's outcome, so that the inner runs of the control arm see none either.
    """
    began = run.structure.began
    if memory is None or began is None or began.arm != "memory" or not began.recalled:
        return None
    return replace(memory, hand=began.recalled)


def _told(result: Result) -> str:
    """The steps that lead to the answer."""
    from reflectree.rlm_ops.structure import fold

    answered = result.trace.answered
    assert answered is not None
    return fold(result.trace).path(answered.node).text


def _started(path: Path, nested: Nested, settings: Generate, call: Call, seed: int) -> Task:
    """The task as the nested run gets it: what was thought so far is context, and starts may differ."""
    task = path.task
    context = task.context
    if path.steps:
        context = f"{context}\n\nThought so far:\n{path.text}".strip()
    examples = list(task.examples)
    if nested.start == "shuffle" and call.index and len(examples) > 1:
        Random(call.seed(seed)).shuffle(examples)
    if nested.start == "hint" and settings.phrasings:
        context = f"{context}\n\n{settings.phrasings[call.index % len(settings.phrasings)]}".strip()
    return replace(task, context=context, examples=tuple(examples), verifier=None)
