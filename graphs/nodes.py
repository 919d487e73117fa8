"""The nodes of the reasoning graph, as thin shells over a live run.

They are objects with methods, not closures: LangGraph takes the code of a closure apart each time a graph is built.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, Send

from reflectree.agents.base import Agent
from reflectree.agents.nested import NestedRuns
from reflectree.graphs.answering import answer_event
from reflectree.graphs.live import LiveRun, LiveRuns
from reflectree.graphs.setup import Setup
from reflectree.graphs.state import AgentInput, AnswerInput, ReasoningState
from reflectree.rlm_ops.blueprint import digest_of
from reflectree.rlm_ops.budget import Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Row, to_row


class Nodes:
    """The nodes of one graph that are there once: recall, controller, answer.

    Args:
        setup: What the graph closes over.
        nested: What carries out nested runs.
        parent: The account of the run this one is nested in.
    """

    def __init__(self, setup: Setup, nested: NestedRuns | None = None, parent: Ledger | None = None) -> None:
        self.setup = setup
        self.agents = setup.agents(nested)
        self._parent = parent
        self.runs = LiveRuns(self._revive)

    def _revive(self, rows: Sequence[Row], elapsed: float) -> LiveRun:
        """The run a trace stands for, alive again."""
        setup = self.setup
        _check_same_run(setup, rows)
        return LiveRun(
            self.agents,
            setup.roles,
            setup.blueprint.scheme.strategy,
            setup.budget,
            concurrency=min(setup.concurrency, setup.policy.capabilities.max_concurrency or setup.concurrency),
            seed=setup.seed,
            rows=rows,
            elapsed=elapsed,
            retries=setup.retries,
            on_event=setup.on_event,
            parent=self._parent,
        )

    async def recall(self, state: ReasoningState) -> dict[str, Any]:
        """Put the task into the trace, as its first event."""
        task = state.get("task")
        if task is None:
            raise BadInput('no task: invoke the graph with {"task": "..."}')
        self.runs.drop(state.get("run", ""))
        first = to_row(self.setup.began(task))
        # a thread that is invoked again with a new task starts a new trace
        trace = Overwrite([{"seq": 0, **first}]) if state.get("trace") else [first]
        return {"trace": trace, "run": uuid.uuid4().hex, "elapsed": 0.0}

    async def controller(self, state: ReasoningState, runtime: Runtime[None]) -> Command[str]:
        """One turn of the outer search."""
        key, rows = state["run"], state["trace"]
        try:
            live = self.runs.join(key, rows, state.get("elapsed", 0.0))
            runtime.stream_writer({"events": live.unseen(rows)})
            pure, batches, reason = live.advance(rows)
        except BaseException:
            self.runs.drop(key)
            raise
        update: dict[str, Any] = {"trace": pure} if pure else {}
        if self.setup.budget.seconds is not None:
            update["elapsed"] = live.ledger.elapsed
        if reason is not None:
            runtime.stream_writer({"events": live.ahead})
            return Command(update=update, goto=Send("answer", {"run": key, "turn": live.turn, "reason": reason}))
        sends = [Send(self.agents[op].name, _agent_input(key, live.turn, calls)) for op, calls in batches.items()]
        return Command(update=update, goto=sends)

    async def answer(self, state: AnswerInput) -> Command[str] | dict[str, Any]:
        """Select the answer: the last event."""
        live = self.runs.get(state["run"])
        if live is None or not live.takes("answer", state.get("turn", "")):  # as in `AgentNode`
            return Command(goto="controller")
        setup = self.setup
        event = answer_event(live.structure, setup.blueprint.selection, setup.verifier, state["reason"])
        live.end(event)
        self.runs.drop(state["run"])
        return {"trace": [to_row(event)], "answer": event.answer}


class AgentNode:
    """An agent's node: start the calls sent, and hand over what has settled."""

    def __init__(self, agent: Agent, runs: LiveRuns) -> None:
        self._agent = agent
        self._runs = runs

    async def __call__(self, state: AgentInput) -> dict[str, Any]:
        """Work on one batch."""
        op = self._agent.op
        live = self._runs.get(state["run"])
        if live is None or not live.takes(op, state.get("turn", "")):
            return {}  # resumed in another process, or from an earlier checkpoint: the controller will ask again
        try:
            rows = await live.work(op, [Call(op, tuple(nodes), index, *how) for nodes, index, *how in state["calls"]])
        except BaseException:
            self._runs.drop(state["run"])
            raise
        return {"trace": rows} if rows else {}


def _agent_input(key: str, turn: str, calls: Sequence[Call]) -> AgentInput:
    return {"run": key, "turn": turn, "calls": [_words(call) for call in calls]}


def _words(call: Call) -> list[Any]:
    return [list(call.nodes), call.index, call.how] if call.how else [list(call.nodes), call.index]


def _check_same_run(setup: Setup, rows: Sequence[Row]) -> None:
    """Refuse to continue a trace with another blueprint or seed."""
    began = rows[0]
    data = began.get("blueprint", {})
    digest = digest_of(data)
    if digest != setup.blueprint.digest:
        raise TraceError(
            f"this run was begun with another blueprint ({data.get('name')}, {digest}; now "
            f"{setup.blueprint.name}, {setup.blueprint.digest}): resume it with the one it has, or use a new run id"
        )
    if began.get("seed", 0) != setup.seed:
        raise TraceError(
            f"this run was begun with seed {began.get('seed', 0)}: resume it with that, or use a new run id"
        )
