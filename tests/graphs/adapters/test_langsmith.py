"""What LangSmith's own client sends of our runs, read by a collector: one tree a run, each call counted once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langsmith import Client
from langsmith.run_helpers import tracing_context
from tests.support.langsmith_collector import Seen, collector, tokens_of
from tests.support.scripted_chat import ScriptedChat, calls, says

import reflectree as rt
from reflectree.graphs.adapters.chat_model import ReasoningChatModel
from reflectree.models.loopback import LoopbackServer
from reflectree.testing import ScriptedPolicy

SEARCH = ["recall", "controller", "generator", "controller", "answer"]
JUDGED = '{"reason": "it is right", "score": 9}'


@contextmanager
def traced(seen: Seen) -> Iterator[None]:
    """Tracing is on, and all of it has been sent at the end."""
    client = Client(api_url=seen.url, api_key="lsv2-very-secret")
    with tracing_context(enabled=True, client=client):
        yield
    client.flush()
    client.close()


def chat() -> ScriptedChat:
    return ScriptedChat(script=lambda messages, number: says("6 * 7 = 42\nAnswer: 42"))


def reasoning(policy: Any = None, blueprint: str = "cot", **options: Any) -> ReasoningChatModel:
    return ReasoningChatModel(blueprint=blueprint, policy=policy or chat(), **options)


def indented(names: list[str], depth: int) -> list[str]:
    return [f"{'  ' * depth}{name}" for name in names]


def test_a_run_is_a_tree() -> None:
    with collector() as seen, traced(seen):
        result = rt.solve("What is 6 times 7?", blueprint="cot", policy=chat())
    recall, controller, generator, *rest = indented(SEARCH, 1)
    assert seen.tree() == ["reflectree:cot", recall, controller, generator, "    reflectree.policy", *rest]
    [root] = seen.below()
    assert {"reflectree", "cot"} <= set(root["tags"])
    assert root["extra"]["metadata"]["reflectree_policy"] == "langchain/scripted-chat"
    assert root["outputs"]["answer"] == "42"
    assert seen.tokens() == result.usage.tokens == 15
    assert all(one["end_time"] for one in seen.runs.values())


async def stream_events(model: Any) -> None:
    async for _ in model.astream_events("What is 6 times 7?", version="v2"):
        pass


async def stream(model: Any) -> None:
    async for _ in model.astream("What is 6 times 7?"):
        pass


ASKED: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda model: model.invoke("What is 6 times 7?"),
    "ainvoke": lambda model: asyncio.run(model.ainvoke("What is 6 times 7?")),
    "stream": lambda model: list(model.stream("What is 6 times 7?")),
    "astream": lambda model: asyncio.run(stream(model)),
    "astream_events": lambda model: asyncio.run(stream_events(model)),
    "generate": lambda model: model.generate([[HumanMessage("What is 6 times 7?")]]),
}


@pytest.mark.parametrize("way", ASKED)
def test_a_search_stands_below_the_chat_model_that_makes_it_and_is_counted_once(way: str) -> None:
    with collector() as seen, traced(seen):
        ASKED[way](reasoning())
    assert seen.tree()[:3] == ["ReasoningChatModel", "  reflectree:cot", "    recall"]
    assert len(seen.below()) == 1
    [inner], [outer] = seen.named("reflectree.policy"), seen.named("ReasoningChatModel")
    assert (tokens_of(inner), tokens_of(outer)) == (15, 0)


def test_the_message_still_has_the_whole_bill() -> None:
    with collector() as seen, traced(seen):
        message = reasoning().invoke("What is 6 times 7?")
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == 15
    assert seen.tokens() == 15


def test_calls_that_no_tracer_sees_are_counted_in_the_search_that_made_them() -> None:
    judge = ScriptedPolicy(JUDGED)
    with collector() as seen, traced(seen):
        message = reasoning(blueprint="best-of-n", max_calls=20, options={"judge": judge}).invoke("6 times 7?")
    assert message.usage_metadata is not None
    told = sum(map(tokens_of, seen.named("reflectree.policy")))
    assert 0 < told < message.usage_metadata["total_tokens"] == seen.tokens()


def test_a_search_in_a_search_is_counted_once() -> None:
    with collector() as seen, traced(seen):
        message = reasoning(reasoning()).invoke("What is 6 times 7?")
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == seen.tokens() == 15


def test_in_a_chain_it_is_a_piece_of_the_chain() -> None:
    chain = ChatPromptTemplate.from_template("What is {sum}?") | reasoning()
    with collector() as seen, traced(seen):
        chain.invoke({"sum": "6 times 7"}, {"run_name": "sums"})
    assert seen.tree()[:4] == ["sums", "  ChatPromptTemplate", "  ReasoningChatModel", "    reflectree:cot"]
    assert seen.tokens() == 15


def test_an_agent_that_searches_over_its_messages() -> None:
    pytest.importorskip("langchain")
    from langchain.agents import create_agent

    from reflectree.graphs.adapters.middleware import SearchMiddleware

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"sun in {city}"

    model = ScriptedChat(
        script=lambda messages, _: says("Sunny.") if messages[2:] else calls("weather", "1", city="Rome")
    )
    agent: Any = create_agent(model, [weather], middleware=[SearchMiddleware(n=2)], name="helper")
    with collector() as seen, traced(seen):
        agent.invoke({"messages": [HumanMessage("How is the weather in Rome?")]})
    assert [one["name"] for one in seen.below()] == ["helper"]
    candidates = seen.named("ScriptedChat")
    assert len(candidates) == 4
    for one in candidates:
        assert seen.above(one) == ["helper", "model", "reflectree:self-consistency", "generator"]
    assert seen.tokens() == 60


async def test_no_key_is_sent() -> None:
    async with LoopbackServer(reply="Answer: 42") as server:
        with collector() as seen, traced(seen):
            model = reasoning("loopback", base_url=server.base_url, api_key="sk-very-secret")
            message = await model.ainvoke("What is 6 times 7?")
    assert b"very-secret" not in seen.raw
    assert message.usage_metadata is not None
    assert seen.tokens() == message.usage_metadata["total_tokens"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("tracing", ["true", "false"])
def test_on_the_command_line_the_environment_says_whether_anything_is_sent(tracing: str, tmp_path: Path) -> None:
    config = tmp_path / "task.json"
    config.write_text('{"question": "What is 6 times 7?"}')
    with collector() as seen, LoopbackServer.in_process(reply="Answer: 42") as server:
        ours = {"LANGSMITH_TRACING": tracing, "LANGSMITH_ENDPOINT": seen.url, "LANGSMITH_API_KEY": "lsv2-very-secret"}
        model = ["--blueprint", "cot", "--model", f"{server.base_url}#loopback"]
        command = [sys.executable, "-m", "reflectree.apps.cli", "solve", "--task", str(config), *model]
        done = subprocess.run(command, env={**os.environ, **ours}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "42"), done.stderr
    if tracing == "true":
        assert seen.tree() == ["reflectree:cot", *indented(SEARCH, 1)]
        assert b"very-secret" not in seen.raw
    else:
        assert seen.requests == []
