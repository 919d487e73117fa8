"""The reasoning graph: recall -> controller -> agents -> controller ... -> reflect -> answer.

The controller is the outer search: it folds new events, lets the strategy ask, applies pure operators itself and sends
one batch to each agent. An agent's superstep ends as soon as one call has settled; the others stay in flight in the
run's pool and are joined later, so slots never wait for a straggler.
"""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph

from reflectree.graphs.live import LiveRuns
from reflectree.graphs.nested import NestedGraphs
from reflectree.graphs.nodes import AgentNode, Nodes
from reflectree.graphs.setup import Setup, prepare
from reflectree.graphs.state import AgentInput, AnswerInput, ReasoningInput, ReasoningOutput, ReasoningState
from reflectree.rlm_ops.budget import Ledger

ReasoningGraph = StateGraph[ReasoningState, None, ReasoningInput, ReasoningOutput]


def build_graph(blueprint: Any = "mcts", policy: Any = "embedded", **options: Any) -> ReasoningGraph:
    """The reasoning graph, to be compiled with a checkpointer and a store of your own.

    Args:
        blueprint: Name, file, data or `Blueprint`.
        policy: A model string, a `PolicyModel` or a LangChain chat model.
        **options: Those of `prepare`: evaluator, verifier, judge, models, tools, budget, concurrency, seed, oracle,
            retries, on_event, on_nested, memory.

    Invoke it with `{"task": "..."}`. With a checkpointer pass `durability="sync"`, since the default loses the end of a
    fast run in a crash, and a `recursion_limit` for long searches. Runs nested in it are not checkpointed by
    themselves: one that was interrupted begins anew.
    """
    return assemble(prepare(blueprint, policy, **options))[0]


def assemble(
    setup: Setup,
    *,
    saver: BaseCheckpointSaver[Any] | None = None,
    thread: str = "nested",
    parent: Ledger | None = None,
) -> tuple[ReasoningGraph, LiveRuns]:
    """The graph of a validated set-up, and the live runs its nodes work on.

    Args:
        setup: What the graph closes over.
        saver: Where runs nested in this one are checkpointed, under names that begin with `thread`.
        thread: The run's own name there.
        parent: The account of the run this one is nested in.
    """
    nested = NestedGraphs(setup, saver, thread) if setup.inner else None
    nodes = Nodes(setup, nested, parent)
    agents = nodes.agents.values()
    graph: ReasoningGraph = StateGraph(ReasoningState, input_schema=ReasoningInput, output_schema=ReasoningOutput)
    graph.add_node("recall", nodes.recall)
    last = "answer" if nodes.remembering is None else "reflect"
    graph.add_node("controller", nodes.controller, destinations=(*(agent.name for agent in agents), last))
    for agent in agents:
        graph.add_node(agent.name, AgentNode(agent, nodes.runs), input_schema=AgentInput)
        graph.add_edge(agent.name, "controller")
    if nodes.remembering is not None:
        graph.add_node(
            "reflect", nodes.reflect, input_schema=AnswerInput, destinations=("reflect", "answer", "controller")
        )
    graph.add_node("answer", nodes.answer, input_schema=AnswerInput)
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "controller")
    graph.add_edge("answer", END)
    return graph, nodes.runs
