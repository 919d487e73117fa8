"""The reasoning graph: recall -> controller -> agents -> controller ... -> reflect -> answer.

The controller is the outer search: it folds new events, lets the strategy ask, applies pure operators itself and sends
one batch to each agent. An agent's superstep ends as soon as one call has settled; the others stay in flight in the
run's pool and are joined later, so slots never wait for a straggler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from langgraph.checkpoint.base import BaseCheckpointSaver

from reflectree.graphs.live_runs import LiveRuns
from reflectree.graphs.nested import NestedGraphs
from reflectree.graphs.nodes import AgentNode, Nodes
from reflectree.graphs.people import PersonNode
from reflectree.graphs.preparing import prepare
from reflectree.graphs.setup import Setup
from reflectree.graphs.wiring import ReasoningGraph, Shape, Work, wire
from reflectree.rlm_ops.budget import Ledger


def build_graph(blueprint: Any = "mcts", policy: Any = "embedded", **options: Any) -> ReasoningGraph:
    """The reasoning graph, to be compiled with a checkpointer and a store of your own.

    Args:
        blueprint: Name, file, data or `Blueprint`.
        policy: A model string, a `PolicyModel` or a LangChain chat model.
        **options: Those of `prepare`: evaluator, verifier, judge, models, tools, budget, concurrency, seed, oracle,
            retries, on_event, on_nested, memory, agents, environment, person, safety.

    Invoke it with `{"task": "..."}`. With a checkpointer pass `durability="sync"`, since the default loses the end of a
    fast run in a crash, and a `recursion_limit` for long searches. Runs nested in it are not checkpointed by
    themselves: one that was interrupted begins anew.

    Where the blueprint asks a person and no `person=` answers, the graph interrupts: the question stands in
    `result["__interrupt__"]`, and `Command(resume="...")` goes on.
    """
    parts = assemble(prepare(blueprint, policy, **options))
    return wire(parts.shape, parts.work)


class Parts(NamedTuple):
    """A graph in parts."""

    shape: Shape
    work: Mapping[str, Work]
    runs: LiveRuns


def assemble(
    setup: Setup,
    *,
    saver: BaseCheckpointSaver[Any] | None = None,
    thread: str = "nested",
    parent: Ledger | None = None,
) -> Parts:
    """What the nodes of a validated set-up's graph do, how they are wired, and the live runs they work on.

    Args:
        setup: What the nodes close over.
        saver: Where runs nested in this one are checkpointed, under names that begin with `thread`.
        thread: The run's own name there.
        parent: The account of the run this one is nested in.
    """
    nested = NestedGraphs(setup, saver, thread) if setup.inner else None
    nodes = Nodes(setup, nested, parent)
    work: dict[str, Work] = {
        "recall": lambda state, config, _: nodes.recall(state, config),
        "controller": lambda state, _, runtime: nodes.controller(state, runtime),
        "reflect": lambda state, config, _: nodes.reflect(state, config),
        "answer": lambda state, _, __: nodes.answer(state),
        "person": _alone(PersonNode(setup.person)),
        **{agent.name: _alone(AgentNode(agent, nodes.runs)) for agent in nodes.agents.values()},
    }
    names = tuple(agent.name for agent in nodes.agents.values())
    shape = Shape(names, asks=setup.asking is not None, learns=nodes.remembering is not None)
    return Parts(shape, work, nodes.runs)


def _alone(node: Callable[[Any], Awaitable[Any]]) -> Work:
    """What a node does that needs its input alone."""
    return lambda state, _, __: node(state)
