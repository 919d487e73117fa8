"""The reasoning graph: recall -> controller -> agents -> controller ... -> answer.

The controller is the outer search: it folds new events, lets the strategy ask, applies pure operators itself and sends
one batch to each agent. An agent's superstep ends as soon as one call has settled; the others stay in flight in the
run's pool and are joined later, so slots never wait for a straggler.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, Send

from reflectree.agents import evaluators
from reflectree.agents.base import Agent
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.generator import Generator
from reflectree.graphs import blueprints
from reflectree.graphs.answering import answer_event
from reflectree.graphs.live import LiveRun, LiveRuns, OnEvent
from reflectree.graphs.state import AgentInput, ReasoningInput, ReasoningOutput, ReasoningState, TaskInput, task_from
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Retries
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint, digest_of
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Began, Row, to_row
from reflectree.rlm_ops.task import Verifier


class AgentNode(Protocol):
    """An agent's node in the graph."""

    async def __call__(self, state: AgentInput) -> dict[str, Any]:
        """Start the calls sent, and hand over what has settled."""
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything a reasoning graph closes over, validated. Heavy objects live here, never in the state."""

    blueprint: Blueprint
    policy: PolicyModel
    evaluator: evaluators.Evaluator | None
    verifier: Verifier | None
    budget: Budget
    concurrency: int
    seed: int
    oracle: bool
    judge: PolicyModel | None = None
    retries: Retries | None = None
    on_event: OnEvent | None = None

    def agents(self) -> dict[str, Agent]:
        """The agents the blueprint needs, by operator."""
        operators, granularity = self.blueprint.operators, self.blueprint.scheme.granularity
        agents: dict[str, Agent] = {"generate": Generator(operators.generate, granularity, self.policy)}
        if self.evaluator is not None:
            agents["evaluate"] = EvaluatorAgent(self.evaluator)
        return agents

    def models(self) -> dict[str, PolicyModel]:
        """The models by role."""
        return {"policy": self.policy} if self.judge is None else {"policy": self.policy, "judge": self.judge}

    def began(self, task: str | TaskInput) -> Began:
        """The first event of a run."""
        words = task_from(task)
        limits = self.blueprint.scheme.strategy.limits()
        return Began(
            question=words.question,
            context=words.context,
            examples=words.examples,
            tools=words.tools,
            task_id=words.id,
            blueprint=self.blueprint.model_dump(mode="json"),
            width=limits.width,
            root_width=limits.root_width,
            depth=limits.depth,
            policy=self.policy.name,
            evaluator=self.evaluator.source if self.evaluator else "",
            verifier=self.verifier.name if self.verifier else "",
            seed=self.seed,
            oracle=self.oracle,
        )


def prepare(
    blueprint: Any = "mcts",
    policy: Any = "embedded",
    *,
    evaluator: Any = None,
    verifier: Verifier | None = None,
    judge: Any = None,
    budget: Budget | None = None,
    concurrency: int = 8,
    seed: int = 0,
    oracle: bool = False,
    retries: Retries | None = None,
    on_event: OnEvent | None = None,
) -> Setup:
    """Validate everything before anything is paid for.

    Raises:
        BadInput: Something given cannot work; the message names the fix.
    """
    plan = blueprints.load(blueprint)
    model = resolve_policy(policy)
    examiner = None if judge is None else resolve_policy(judge)
    if verifier is not None and not isinstance(verifier, Verifier):
        raise BadInput(f"verifier={verifier!r}: give one of reflectree.verifiers, for example verifiers.numeric(42)")
    if concurrency < 1:
        raise BadInput(f"concurrency={concurrency}: give at least 1")
    caps = _tightest(budget or Budget(), Budget(**plan.budget.model_dump()))
    if caps.usd is not None and any(m.price is None for m in (model, examiner) if m is not None):
        raise BadInput(
            f"a budget in dollars needs a known price, and that of {model.name} is unknown: "
            "give rt.policy(..., price=Price(prompt=..., completion=...)) in dollars per million tokens, or cap tokens"
        )
    scorer = None
    if plan.scheme.strategy.evaluates:
        scorer = evaluators.choose(plan.operators.evaluate, plan.operators.generate, evaluator, verifier, oracle=oracle)
    if plan.selection == "verified" and (verifier is None or (verifier.gold and not oracle)):
        raise BadInput(f"blueprint {plan.name} selects by verifier: give one that knows no gold answer, or oracle=True")
    return Setup(plan, model, scorer, verifier, caps, concurrency, seed, oracle, examiner, retries, on_event)


def build_graph(
    blueprint: Any = "mcts", policy: Any = "embedded", **options: Any
) -> StateGraph[ReasoningState, None, ReasoningInput, ReasoningOutput]:
    """The reasoning graph, to be compiled with a checkpointer and a store of your own.

    Args:
        blueprint: Name, file, data or `Blueprint`.
        policy: A model string, a `PolicyModel` or a LangChain chat model.
        **options: Those of `prepare`: evaluator, verifier, judge, budget, concurrency, seed, oracle, retries, on_event.

    Invoke it with `{"task": "..."}`. With a checkpointer pass `durability="sync"`, since the default loses the end of a
    fast run in a crash, and a `recursion_limit` for long searches.
    """
    return assemble(prepare(blueprint, policy, **options))[0]


def assemble(setup: Setup) -> tuple[StateGraph[ReasoningState, None, ReasoningInput, ReasoningOutput], LiveRuns]:
    """The graph of a validated set-up, and the live runs its nodes work on."""
    agents, models = setup.agents(), setup.models()

    def revive(rows: Sequence[Row], elapsed: float) -> LiveRun:
        _check_same_run(setup, rows)
        return LiveRun(
            agents,
            models,
            setup.blueprint.scheme.strategy,
            setup.budget,
            concurrency=min(setup.concurrency, setup.policy.capabilities.max_concurrency or setup.concurrency),
            seed=setup.seed,
            rows=rows,
            elapsed=elapsed,
            retries=setup.retries,
            on_event=setup.on_event,
        )

    runs = LiveRuns(revive)

    async def recall(state: ReasoningState) -> dict[str, Any]:
        task = state.get("task")
        if task is None:
            raise BadInput('no task: invoke the graph with {"task": "..."}')
        runs.drop(state.get("run", ""))
        first = to_row(setup.began(task))
        # a thread that is invoked again with a new task starts a new trace
        trace = Overwrite([{"seq": 0, **first}]) if state.get("trace") else [first]
        return {"trace": trace, "run": uuid.uuid4().hex, "elapsed": 0.0}

    async def controller(state: ReasoningState, runtime: Runtime[None]) -> Command[str]:
        key, rows = state["run"], state["trace"]
        try:
            live = runs.join(key, rows, state.get("elapsed", 0.0))
            runtime.stream_writer({"events": live.unseen(rows)})
            pure, batches, reason = live.advance(rows)
        except BaseException:
            runs.drop(key)
            raise
        update: dict[str, Any] = {"trace": pure} if pure else {}
        if setup.budget.seconds is not None:
            update["elapsed"] = live.ledger.elapsed
        if reason is not None:
            return Command(update=update, goto=Send("answer", {"run": key, "reason": reason}))
        return Command(
            update=update, goto=[Send(agents[op].name, _agent_input(key, calls)) for op, calls in batches.items()]
        )

    def node_of(agent: Agent) -> AgentNode:
        async def node(state: AgentInput) -> dict[str, Any]:
            live = runs.get(state["run"])
            if live is None:  # interrupted here and resumed elsewhere: the controller will ask again
                return {}
            try:
                rows = await live.work(
                    agent.op, [Call(agent.op, tuple(nodes), index) for nodes, index in state["calls"]]
                )
            except BaseException:
                runs.drop(state["run"])
                raise
            return {"trace": rows} if rows else {}

        return node

    async def answer(state: Any) -> Any:
        live = runs.get(state["run"])
        if live is None:
            return Command(goto="controller")
        event = answer_event(live.structure, setup.blueprint.selection, setup.verifier, state["reason"])
        if setup.on_event is not None:
            setup.on_event(event, live.structure)
        runs.drop(state["run"])
        return {"trace": [to_row(event)], "answer": event.answer}

    graph = StateGraph(ReasoningState, input_schema=ReasoningInput, output_schema=ReasoningOutput)
    graph.add_node("recall", recall)
    graph.add_node("controller", controller, destinations=(*(agent.name for agent in agents.values()), "answer"))
    for agent in agents.values():
        graph.add_node(agent.name, node_of(agent), input_schema=AgentInput)
        graph.add_edge(agent.name, "controller")
    graph.add_node("answer", answer)
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "controller")
    graph.add_edge("answer", END)
    return graph, runs


def _agent_input(key: str, calls: Sequence[Call]) -> AgentInput:
    return {"run": key, "calls": [[list(call.nodes), call.index] for call in calls]}


def _tightest(*budgets: Budget) -> Budget:
    """The smallest cap of each kind."""

    def least(name: str) -> Any:
        return min((cap for budget in budgets if (cap := getattr(budget, name)) is not None), default=None)

    return Budget(least("calls"), least("tokens"), least("usd"), least("seconds"))


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
