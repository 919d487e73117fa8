"""How the nodes of a reasoning graph are wired, and one compiled graph for all runs that are wired alike.

To compile a graph takes longer than to carry out a short run on it. A graph's nodes therefore hold nothing of a run:
each hands its input on to what the run brought along as the graph's context, under the node's name. What the nodes do
is not known here.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from reflectree.graphs.state import (
    AgentInput,
    AnswerInput,
    PersonInput,
    ReasoningInput,
    ReasoningOutput,
    ReasoningState,
)

ReasoningGraph: TypeAlias = StateGraph[ReasoningState, Any, ReasoningInput, ReasoningOutput]
CompiledGraph: TypeAlias = CompiledStateGraph[ReasoningState, Any, ReasoningInput, ReasoningOutput]
Work: TypeAlias = Callable[[Any, RunnableConfig, Runtime[Any]], Awaitable[Any]]
"""What a node does with its input."""
_BRIEF: dict[str, Any] = {}
"""How nodes that are given the whole trace are told of to tracers: else each superstep sends all of it anew."""
if "trace_policy" in inspect.signature(StateGraph.add_node).parameters:
    from langgraph.types import TracePolicy

    _BRIEF["trace_policy"] = TracePolicy(process_inputs=lambda state: {"events": len(state.get("trace") or ())})


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how a graph is wired.

    Attributes:
        agents: The names of its agents' nodes.
        asks: Whether it asks a person.
        learns: Whether it learns from the run before it answers.
    """

    agents: tuple[str, ...]
    asks: bool = False
    learns: bool = False


class Deputy:
    """A node that hands its input on.

    Args:
        name: The node's name.
        own: What the nodes do, by name; without it, the run's context says.
    """

    def __init__(self, name: str, own: Mapping[str, Work] | None) -> None:
        self._name = name
        self._own = own

    async def __call__(self, state: Any, config: RunnableConfig, runtime: Runtime[Any]) -> Any:
        """Do what the node does."""
        work: Mapping[str, Work] = runtime.context if self._own is None else self._own
        return await work[self._name](state, config, runtime)


def wire(shape: Shape, own: Mapping[str, Work] | None = None) -> ReasoningGraph:
    """The graph of a shape.

    Args:
        shape: How it is wired.
        own: What its nodes do; without it, each run brings that along: `ainvoke(..., context=work)`.
    """
    last = "reflect" if shape.learns else "answer"
    people = ("person",) if shape.asks else ()
    graph: ReasoningGraph = StateGraph(ReasoningState, input_schema=ReasoningInput, output_schema=ReasoningOutput)

    def add(name: str, takes: type[Any], *to: str) -> None:
        node: Any = Deputy(name, own)  # LangGraph gives a node both arguments, and its types know of either alone
        brief = _BRIEF if takes is ReasoningState else {}
        graph.add_node(name, node, input_schema=takes, destinations=to or None, **brief)

    add("recall", ReasoningState)
    add("controller", ReasoningState, *shape.agents, *people, last)
    for name in people:
        add(name, PersonInput)
        graph.add_edge(name, "controller")
    for name in shape.agents:
        add(name, AgentInput)
        graph.add_edge(name, "controller")
    if shape.learns:
        add("reflect", AnswerInput, "reflect", "answer", "controller")
    add("answer", AnswerInput)
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "controller")
    graph.add_edge("answer", END)
    return graph


@lru_cache(maxsize=64)
def compiled(shape: Shape) -> CompiledGraph:
    """The compiled graph of a shape, whose runs bring along what its nodes do; without a checkpointer."""
    return wire(shape).compile()


__all__ = ["CompiledGraph", "Deputy", "ReasoningGraph", "Shape", "Work", "compiled", "wire"]
