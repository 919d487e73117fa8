"""The `reason` tool: held to LangChain's suites, and used by a real agent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from langgraph.checkpoint.memory import InMemorySaver
from tests.support.scripted_chat import ScriptedChat, calls, says

from reflectree.graphs.adapters.tool import reason_tool
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelRejected
from reflectree.testing import ScriptedPolicy

EXAMPLE = {"question": "What is 6 times 7?", "context": "Integers only."}
QUESTION: Any = {"messages": [HumanMessage("What is 6 times 7?")]}


def good() -> ScriptedPolicy:
    return ScriptedPolicy("6 * 7 = 42.\nAnswer: 42")


def tool_of(**options: Any) -> BaseTool:
    return reason_tool("self-consistency", options.pop("policy", None) or good(), **options)


class TestUnit(ToolsUnitTests):
    @property
    def tool_constructor(self) -> BaseTool:
        return tool_of()

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return EXAMPLE


class TestIntegration(ToolsIntegrationTests):
    @property
    def tool_constructor(self) -> BaseTool:
        return tool_of()

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return EXAMPLE


def asking(name: str = "reason") -> ScriptedChat:
    """A model that asks the tool, and then says what it was told."""

    def script(messages: Sequence[BaseMessage], number: int) -> AIMessage:
        last = messages[-1]
        return says(str(last.text)) if isinstance(last, ToolMessage) else calls(name, "c1", **EXAMPLE)

    return ScriptedChat(script=script)


def test_only_question_and_context_are_seen() -> None:
    schema: Any = tool_of().tool_call_schema
    assert schema.model_json_schema()["required"] == ["question"]
    assert set(schema.model_json_schema()["properties"]) == {"question", "context"}


async def test_the_answer_comes_with_what_it_cost() -> None:
    message = await tool_of().ainvoke({"type": "tool_call", "name": "reason", "args": EXAMPLE, "id": "1"})
    assert (message.content, message.status) == ("42", "success")
    assert message.artifact["usage"]["calls"] == 2  # sixteen samples, eight at once
    assert (message.artifact["score"], message.artifact["nodes"]) == (1.0, 16)
    assert message.artifact["stop_reason"] == "complete"
    assert len(message.artifact["run_id"]) == 12


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_an_agent_asks_it_and_streams_what_it_does(how: str) -> None:
    agent: Any = create_agent(asking(), [tool_of()])
    parts: list[Any] = []
    if how == "sync":
        parts.extend(agent.stream(QUESTION, stream_mode=["custom", "values"], version="v2"))
    else:
        parts.extend([part async for part in agent.astream(QUESTION, stream_mode=["custom", "values"], version="v2")])
    assert parts[-1]["data"]["messages"][-1].content == "42"
    told = [part["data"]["reflectree"] for part in parts if part["type"] == "custom"]
    assert {line["tool_call_id"] for line in told} == {"c1"}
    assert len({line["run_id"] for line in told}) == 1
    assert told[0]["line"].startswith("begins: self-consistency")
    assert told[-1]["line"].startswith("ends (complete)")
    assert all("\n" not in line["line"] for line in told)


async def test_the_search_is_a_child_of_the_tool_and_its_model_is_counted_once() -> None:
    inner = ScriptedChat(script=lambda messages, number: says("Answer: 42"), model_name="inner")
    agent: Any = create_agent(asking(), [tool_of(policy=inner)])
    names: dict[Any, tuple[str, Any]] = {}
    with get_usage_metadata_callback() as counted:
        async for event in agent.astream_events(QUESTION, version="v2"):
            if event["event"].endswith("_start"):
                names[event["run_id"]] = (event["name"], event["parent_ids"])
    assert counted.usage_metadata["inner"]["input_tokens"] == 160
    chains = [
        [names[parent][0] for parent in parents] for name, parents in names.values() if name == "reflectree.policy"
    ]
    assert len(chains) == 16
    assert all("reason" in chain and "reflectree:self-consistency" in chain for chain in chains)


async def test_candidates_do_not_leak_into_the_conversation() -> None:
    inner = ScriptedChat(script=lambda messages, number: says("candidate\nAnswer: 42"))
    saver = InMemorySaver()
    agent: Any = create_agent(asking(), [tool_of(policy=inner)], checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "1"}}
    stream = agent.astream(QUESTION, config, stream_mode="messages", subgraphs=True, version="v2")
    said = [str(part["data"][0].content) async for part in stream]
    assert not any("candidate" in text for text in said)
    state = await agent.aget_state(config)
    assert state.values["messages"][-1].content == "42"
    assert set(saver.storage) == {"1"}  # the search left nothing in the host's checkpointer


async def test_a_budget_that_ends_before_an_answer_is_told() -> None:
    message = await tool_of(budget=Budget(calls=0)).ainvoke(
        {"type": "tool_call", "name": "reason", "args": EXAMPLE, "id": "1"}
    )
    assert message.content == "No answer was found (budget:calls)."


async def test_what_goes_wrong_is_told_to_the_agent_in_one_line() -> None:
    refused = ScriptedPolicy([ModelRejected("the key is wrong: set KEY", 401)] * 20)
    out = await create_agent(asking(), [tool_of(policy=refused)]).ainvoke(QUESTION)
    told = out["messages"][-2]
    assert (told.content, told.status) == ("the key is wrong: set KEY", "error")
    empty = await tool_of().ainvoke({"type": "tool_call", "name": "reason", "args": {"question": " "}, "id": "1"})
    assert empty.status == "error"
    with pytest.raises(BadInput, match="unknown blueprint"):
        reason_tool("nothing")


def test_it_needs_no_langchain() -> None:
    code = (
        "import sys; sys.modules['langchain'] = None\n"
        "from reflectree.graphs.adapters.tool import reason_tool; reason_tool()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_id_is_no_option() -> None:
    with pytest.raises(BadInput, match="leave run_id out"):
        tool_of(run_id="mine")
