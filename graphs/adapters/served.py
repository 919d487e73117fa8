"""One graph factory a blueprint, for `langgraph dev`, Studio and agent-protocol clients: messages in, messages out.

`langgraph.json` names them. The server brings checkpointer and store, so none is compiled in. The model is the
server's: `REFLECTREE_MODEL` (default `embedded`), and `REFLECTREE_CRITIC` where a blueprint needs a critic (default:
the same model). A client may only cap a run: `calls`, `tokens`, `usd`, `seconds` and `seed` of its `configurable`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, TypeAlias

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.ephemeral_value import EphemeralValue
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from reflectree.graphs import blueprints
from reflectree.graphs.adapters.conversation import asked
from reflectree.graphs.adapters.replying import Finish, Replied
from reflectree.graphs.adapters.runnables import as_message, messages_of
from reflectree.graphs.adapters.wants import Said
from reflectree.graphs.reasoning import build_graph
from reflectree.graphs.result import Result
from reflectree.graphs.state import TaskInput, task_input
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.trace import Trace

MODEL, CRITIC = "REFLECTREE_MODEL", "REFLECTREE_CRITIC"
IN_WORLDS = frozenset({"lats-env", "react-env", "reflexion-env", "voyager-env"})
"""Blueprints that act in an environment, which a conversation does not bring along."""
Factory: TypeAlias = Callable[[RunnableConfig], AbstractAsyncContextManager[CompiledStateGraph[Any, Any, Any, Any]]]


class Conversation(TypedDict):
    """What goes in and comes out."""

    messages: Annotated[list[AnyMessage], add_messages]


class ServedState(Conversation):
    """What the graph holds between its nodes.

    Attributes:
        task: What is asked, as the search takes it.
        answer: The search's answer.
        trace: Its events, for the one step in which the message is made of them.
    """

    task: Annotated[TaskInput, EphemeralValue]
    answer: str | None
    trace: Annotated[list[dict[str, Any]], EphemeralValue]


def names() -> list[str]:
    """The blueprints that can be served."""
    return [name for name in blueprints.names() if name not in IN_WORLDS]


def identifier(name: str) -> str:
    """What a blueprint's factory is called in this module."""
    return name.replace("-", "_")


def graph_of(name: str, policy: Any, **options: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A blueprint's graph from conversation to conversation, with the search as a subgraph.

    Args:
        name: The blueprint.
        policy: The model.
        **options: Those of `build_graph`.
    """
    search = build_graph(name, policy, **options).compile(name=name)

    def ask(state: ServedState) -> dict[str, Any]:
        return {"task": task_input(asked(messages_of(state["messages"])))}

    def say(state: ServedState, config: RunnableConfig) -> dict[str, Any]:
        run_id = str(config.get("configurable", {}).get("thread_id") or "")
        result = Result.of(Trace.from_rows(state["trace"], run_id=run_id), 0.0)
        text = f"No answer was found ({result.stop_reason})." if result.answer is None else result.answer
        finish: Finish = "length" if result.answer is None and result.stop_reason.startswith("budget:") else "stop"
        message = as_message(Replied(Said(text, ()), result, finish), name)
        message.response_metadata["model_name"] = name  # a client is not told which model, and where, the server has
        return {"messages": [message], "answer": None}

    graph: Any = StateGraph(ServedState, input_schema=Conversation, output_schema=Conversation)
    graph.add_sequence([("ask", ask), ("reason", search), ("say", say)])
    graph.add_edge(START, "ask").add_edge("say", END)
    compiled: CompiledStateGraph[Any, Any, Any, Any] = graph.compile(name=name)
    return compiled


def factory(name: str) -> Factory:
    """What makes a blueprint's graph for one run of a server, and closes its models afterwards."""

    @asynccontextmanager
    async def make(config: RunnableConfig) -> AsyncIterator[CompiledStateGraph[Any, Any, Any, Any]]:
        needs, caps = _needs(name), _caps(config.get("configurable", {}))
        policy = resolve_policy(os.environ.get(MODEL, "embedded"))
        models = {role: resolve_policy(model) for role, model in needs.pop("models", {}).items()}
        try:
            yield graph_of(name, policy, models=models, **needs, **caps)
        finally:
            for model in (policy, *models.values()):
                await model.aclose()

    make.__name__ = make.__qualname__ = identifier(name)
    return make


def _needs(name: str) -> dict[str, Any]:
    """What a blueprint cannot do without."""
    plan = blueprints.load(name)
    uses = plan.scheme.strategy.uses()
    needs: dict[str, Any] = {}
    if "refine" in uses:
        needs["models"] = {"critic": os.environ.get(CRITIC) or os.environ.get(MODEL, "embedded")}
    if "enrich" in uses and plan.operators.enrich.kind == "tool":
        needs["tools"] = ["calculator"]
    return needs


def _caps(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The caps and the seed a client asks for.

    Raises:
        BadInput: One is no number that can be one.
    """
    caps = {name: wanted[name] for name in ("calls", "tokens", "usd", "seconds") if wanted.get(name) is not None}
    seed = wanted.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise BadInput(f"seed={seed!r}: give a whole number")
    return {"budget": Budget(**caps), "seed": seed}


globals().update({identifier(name): factory(name) for name in names()})

__all__ = ["Conversation", "factory", "graph_of", "identifier", "names"]
