"""The nodes of the reasoning graph, as thin shells over a live run.

They are objects with methods, not closures: LangGraph takes the code of a closure apart each time a graph is built.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, Send

from reflectree.agents.base import Agent
from reflectree.agents.nested import NestedRuns
from reflectree.graphs.answering import answer_event
from reflectree.graphs.live import LiveRun
from reflectree.graphs.live_runs import LiveRuns
from reflectree.graphs.people import NOBODY, pauses
from reflectree.graphs.setup import Setup
from reflectree.graphs.state import AgentInput, AnswerInput, ReasoningState, task_from
from reflectree.rlm_ops.blueprint import digest_of
from reflectree.rlm_ops.budget import Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Row, to_row
from reflectree.rlm_ops.structure import ROOT

if TYPE_CHECKING:
    from reflectree.graphs.memory.remembering import Remembering


class Nodes:
    """The nodes of one graph that are there once: recall, controller, reflect, answer.

    Args:
        setup: What the graph closes over.
        nested: What carries out nested runs.
        parent: The account of the run this one is nested in.
    """

    def __init__(self, setup: Setup, nested: NestedRuns | None = None, parent: Ledger | None = None) -> None:
        self.setup = setup
        self.agents = setup.agents(nested)
        self.remembering = remembering(setup)
        self._parent = parent
        self._own: dict[str, Any] | None = None
        """The blueprint in the first row that these nodes wrote: a trace that holds this very object is their own."""
        self.runs = LiveRuns()

    def _revive(self, rows: Sequence[Row], elapsed: float) -> LiveRun:
        """The run a trace stands for, alive again."""
        setup = self.setup
        if rows[0].get("blueprint") is not self._own or self._own is None:
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
            asking=setup.asking,
        )

    async def recall(self, state: ReasoningState, config: RunnableConfig) -> dict[str, Any]:
        """Put the task into the trace, as its first event, with what earlier runs left for it."""
        task = state.get("task")
        if task is None:
            raise BadInput('no task: invoke the graph with {"task": "..."}')
        if self.setup.asking is not None and self.setup.person is None and not pauses(config):
            raise BadInput(NOBODY.format(name=self.setup.blueprint.name))
        self.runs.drop(state.get("run", ""))
        began, key = self.setup.began(task), secrets.token_hex(16)
        if self.remembering is not None:
            arm, recalled = await self.remembering.recall(task_from(task), _name(config, key))
            began = replace(began, arm=arm, recalled=recalled)
        first = to_row(began)
        self._own = first["blueprint"]
        # a thread that is invoked again with a new task starts a new trace
        trace = Overwrite([{"seq": 0, **first}]) if state.get("trace") else [first]
        return {"trace": trace, "run": key, "elapsed": 0.0}

    async def controller(self, state: ReasoningState, runtime: Runtime[None]) -> Command[str]:
        """One turn of the outer search."""
        key, rows = state["run"], state["trace"]
        try:
            live = self.runs.join(key, rows, lambda: self._revive(rows, state.get("elapsed", 0.0)))
            runtime.stream_writer({"events": live.unseen(rows)})
            reason = self._ended(live, rows)
            pure, batches, reason = ([], {}, reason) if reason is not None else live.advance(rows)
        except BaseException:
            self.runs.drop(key)
            raise
        update: dict[str, Any] = {"trace": pure} if pure else {}
        if self.setup.budget.seconds is not None:
            update["elapsed"] = live.ledger.elapsed
        if reason is not None:
            runtime.stream_writer({"events": live.ahead})
            last = "answer" if self.remembering is None else "reflect"
            return Command(update=update, goto=Send(last, {"run": key, "turn": live.turn, "reason": reason}))
        question = None if batches else live.questions.next()
        if question is not None:
            return Command(update=update, goto=Send("person", {"question": question.to_row()}))
        sends = [Send(self.agents[op].name, _agent_input(key, live.turn, calls)) for op, calls in batches.items()]
        return Command(update=update, goto=sends)

    def _ended(self, live: LiveRun, rows: Sequence[Row]) -> str | None:
        """Why the search ended, where the run has begun to learn from it: then it is not taken up again."""
        if self.remembering is None:
            return None
        live.begin_turn(rows)
        return self.remembering.ended(live.structure)

    async def reflect(self, state: AnswerInput, config: RunnableConfig) -> Command[str]:
        """Learn from the run whose search is over, one stage a superstep, so that none is paid twice."""
        live, learner = self.runs.get(state["run"]), self.remembering
        if live is None or learner is None or not live.takes(_stage(live), state.get("turn", "")):  # as in `AgentNode`
            return Command(goto="controller")
        try:
            event = await learner.next(live, state["reason"])
            if event is None:
                event = await learner.keep(live.structure, _name(config, state["run"]), state["reason"])
        except BaseException:
            self.runs.drop(state["run"])
            raise
        if event is None:
            return Command(goto=Send("answer", dict(state)))
        live.end(event)
        return Command(update={"trace": [to_row(event)]}, goto=Send("reflect", dict(state)))

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


def remembering(setup: Setup) -> Remembering | None:
    """What carries out the memory part of a blueprint, where the run was given a memory."""
    if setup.memory is None:
        return None
    from reflectree.graphs.memory.remembering import Remembering

    return Remembering(setup.memory, setup)


def _name(config: RunnableConfig, key: str) -> str:
    """The run's name: its thread's, where it has one."""
    return str(config.get("configurable", {}).get("thread_id") or key)


def _stage(live: LiveRun) -> str:
    """The stage of learning that a run has come to: each is begun once a turn."""
    return f"reflect:{live.structure.attempts('reflect', (ROOT,))}"


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
