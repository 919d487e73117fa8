"""The reasoning graph as a part of somebody else's graph: their state, context, checkpointer and streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from langgraph.types import Command
from pydantic import SkipValidation
from pydantic.json_schema import SkipJsonSchema
from tests.support.scripted_chat import ScriptedChat, says
from typing_extensions import TypedDict

from reflectree.graphs import blueprints
from reflectree.graphs.reasoning import build_graph
from reflectree.models.base import Request
from reflectree.testing import ScriptedPolicy


@dataclass(frozen=True)
class Foreign:
    """A host's context, which has nothing that ours has, and a model that no schema can describe."""

    user: str = "ann"
    model: SkipJsonSchema[SkipValidation[BaseChatModel | None]] = None


class Shared(TypedDict):
    """A host's state that shares keys with ours."""

    messages: Annotated[list[AnyMessage], add_messages]
    task: str
    answer: str | None


class Apart(TypedDict):
    """A host's state that shares none."""

    asked: str
    told: str


def sharing(inner: Any, saver: Any = None) -> Any:
    """A host with the search as a node of its own."""

    def before(state: Shared, runtime: Runtime[Foreign]) -> dict[str, str]:
        return {"task": str(state["messages"][-1].text)}

    def after(state: Shared) -> dict[str, list[AIMessage]]:
        return {"messages": [AIMessage(state["answer"] or "")]}

    host: Any = StateGraph(Shared, context_schema=Foreign)
    host.add_sequence([("before", before), ("reason", inner), ("after", after)])
    host.add_edge(START, "before").add_edge("after", END)
    return host.compile(checkpointer=saver)


def wrapping(inner: Any, saver: Any = None) -> Any:
    """A host with the search inside a node."""

    async def ask(state: Apart) -> dict[str, str]:
        out = await inner.ainvoke({"task": state["asked"]})
        return {"told": out["answer"]}

    host: Any = StateGraph(Apart, context_schema=Foreign)
    host.add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
    return host.compile(checkpointer=saver)


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


def says_question(request: Request, index: int) -> str:
    """Answers a question about a number with the number, so that runs that were mixed up would show."""
    return f"Answer: {''.join(filter(str.isdigit, request.messages[-1].content.splitlines()[0]))}"


@pytest.mark.parametrize("saver", [None, InMemorySaver()])
async def test_several_runs_at_once_under_a_foreign_context(saver: Any) -> None:
    inner = build_graph("self-consistency", ScriptedPolicy(says_question, latency=0.001)).compile()
    shared, apart = sharing(inner, saver), wrapping(inner, saver)
    outs = await asyncio.gather(
        *(
            shared.ainvoke({"messages": [("user", f"Which number is {n}?")]}, thread(f"s{n}"), context=Foreign())
            for n in range(6)
        ),
        *(
            apart.ainvoke({"asked": f"Which number is {n}?"}, thread(f"a{n}"), context={"user": "bob"})
            for n in range(6)
        ),
    )
    assert [out["messages"][-1].content for out in outs[:6]] == [str(n) for n in range(6)]
    assert [out["told"] for out in outs[6:]] == [str(n) for n in range(6)]
    assert set(outs[0]) == {"messages", "task", "answer"}


async def test_a_thread_of_the_host_asks_again_and_again() -> None:
    host = sharing(build_graph("self-consistency", ScriptedPolicy(says_question)).compile(), InMemorySaver())
    for number in (3, 5):
        out = await host.ainvoke({"messages": [("user", f"Which number is {number}?")]}, thread("t"))
        assert out["messages"][-1].content == str(number)
    assert len(out["messages"]) == 4


def acting(request: Request, index: int) -> str:
    said = "\n".join(message.content for message in request.messages) + request.prefill
    return "Thought: done.\nAction: finish[42]" if "42" in said else "Thought: multiply.\nAction: calculator[6 * 7]"


@pytest.mark.parametrize("host_of", [sharing, wrapping])
async def test_a_person_is_asked_through_the_hosts_checkpointer(host_of: Any) -> None:
    blueprint = blueprints.load("react").with_overrides({"operators.enrich.approve": True})
    policy, saver = ScriptedPolicy(acting), InMemorySaver()

    def host() -> Any:  # anew each time, as in another process
        return host_of(build_graph(blueprint, policy, tools=["calculator"]).compile(), saver)

    asked = {"messages": [("user", "What is 6 times 7?")], "asked": "What is 6 times 7?"}
    outs = await asyncio.gather(*(host().ainvoke(asked, thread(f"{n}")) for n in range(3)))
    questions = [out["__interrupt__"][0].value for out in outs]
    assert [question["command"] for question in questions] == ["calculator[6 * 7]"] * 3
    paid = policy.samples
    state = await host().aget_state(thread("0"), subgraphs=True)
    assert state.interrupts[0].value["kind"] == "approval"
    outs = await asyncio.gather(*(host().ainvoke(Command(resume="yes"), thread(f"{n}")) for n in range(3)))
    assert all("__interrupt__" not in out for out in outs)
    answers = [out["told"] if "told" in out else out["messages"][-1].content for out in outs]
    assert answers == ["42"] * 3
    assert policy.samples == paid + 3


async def test_candidates_do_not_leak_into_the_hosts_message_stream() -> None:
    model = ScriptedChat(script=lambda messages, number: says("A candidate.\nAnswer: 42"))
    inner = build_graph("self-consistency", model).compile()
    for host, asked in (
        (sharing(inner), {"messages": [("user", "What is 6 times 7?")]}),
        (wrapping(inner), {"asked": "What is 6 times 7?"}),
    ):
        stream = host.astream(asked, stream_mode="messages", subgraphs=True, version="v2")
        said = [part["data"][0].content async for part in stream]
        assert said == (["42"] if "messages" in asked else [])
    assert len(model.asked) == 32


async def test_the_search_is_streamed_under_its_own_namespace() -> None:
    host = sharing(build_graph("self-consistency", ScriptedPolicy(says_question)).compile())
    asked = {"messages": [("user", "Which number is 5?")]}
    parts = [part async for part in host.astream(asked, stream_mode="custom", subgraphs=True, version="v2")]
    rows = [row for part in parts for row in part["data"]["events"]]
    assert {part["ns"][0].split(":")[0] for part in parts} == {"reason"}
    assert [row["op"] for row in rows] == ["task", *["generate"] * 16]


def test_schemas_and_drawing() -> None:
    inner = build_graph("mcts", ScriptedPolicy("x")).compile(name="search")
    host = sharing(inner)
    assert host.get_context_jsonschema()["properties"].keys() == {"user"}
    assert inner.get_context_jsonschema() is None
    assert inner.get_input_jsonschema()["properties"].keys() == {"task"}
    assert inner.get_output_jsonschema()["properties"].keys() == {"answer", "trace"}
    assert [name for name, _ in host.get_subgraphs()] == ["reason"]
    drawn = host.get_graph(xray=True).draw_mermaid()
    for node in ("recall", "controller", "generator", "evaluator", "answer"):
        assert f"reason\\3a{node}" in drawn
