"""`langgraph.json` and the factories that it names."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from reflectree.graphs import blueprints
from reflectree.graphs.adapters import served
from reflectree.rlm_ops.errors import BadInput
from reflectree.testing import LoopbackServer

ROOT = Path(__file__).resolve().parents[3]
ASKED: Any = {"messages": [("user", "What is 6 times 7?")]}


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer(reply="6 * 7 = 42.\nAnswer: 42") as server:
        monkeypatch.setenv(served.MODEL, f"{server.base_url}#loopback")
        yield server


def test_the_file_names_every_blueprint_that_needs_no_environment() -> None:
    graphs = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    assert graphs == {name: f"{served.__name__}:{served.identifier(name)}" for name in served.names()}
    plans = map(blueprints.load, blueprints.names())
    acting = {plan.name for plan in plans if plan.operators.enrich.kind == "environment"}
    assert acting == served.IN_WORLDS
    assert len(served.names()) == 45


@pytest.mark.parametrize("name", served.names())
async def test_a_factory_makes_a_graph_from_messages_to_messages(name: str, model: LoopbackServer) -> None:
    make = vars(served)[served.identifier(name)]
    assert list(inspect.signature(make).parameters) == ["config"]
    async with make({"configurable": {}}) as graph:
        assert (graph.name, graph.checkpointer) == (name, None)
        assert set(graph.get_input_jsonschema()["properties"]) == {"messages"}
        assert set(graph.get_output_jsonschema()["properties"]) == {"messages"}
        assert graph.get_context_jsonschema() is None
        assert [inner for inner, _ in graph.get_subgraphs()] == ["reason"]
    assert model.counters.requests == 0


async def test_a_conversation_goes_on_and_is_kept_by_the_servers_checkpointer(model: LoopbackServer) -> None:
    saver, thread = InMemorySaver(), {"configurable": {"thread_id": "t", "calls": 4, "seed": 7}}
    for turn in (1, 2):
        async with vars(served)["self_consistency"](thread) as made:
            graph = made.copy({"checkpointer": saver})
            out = await graph.ainvoke(ASKED, thread)
            said = out["messages"][-1]
            assert (said.content, len(out["messages"]), set(out)) == ("42", 2 * turn, {"messages"})
            assert said.usage_metadata["output_tokens"] > 0
            assert said.response_metadata["model_name"] == "self-consistency"
            assert said.response_metadata["reflectree"]["usage"]["calls"] == 4
            state = await graph.aget_state(thread)
            assert not state.values.get("trace")
    assert model.counters.requests == 8


async def test_what_a_search_comes_to_is_said_once_and_candidates_never(model: LoopbackServer) -> None:
    async with vars(served)["best_of_n"]({"configurable": {"calls": 3}}) as graph:
        stream = graph.astream(ASKED, stream_mode="messages", subgraphs=True, version="v2")
        assert [part["data"][0].content async for part in stream] == ["42"]


async def test_a_budget_that_ends_before_an_answer_is_said() -> None:
    async with served.factory("cot")({"configurable": {"calls": 0}}) as graph:
        [_, said] = (await graph.ainvoke(ASKED))["messages"]
    assert said.content == "No answer was found (budget:calls)."
    assert said.response_metadata["finish_reason"] == "length"


async def test_what_a_client_may_not_is_refused(model: LoopbackServer) -> None:
    for wrong in ({"calls": -1}, {"seconds": "many"}, {"seed": "x"}):
        with pytest.raises(BadInput):
            async with served.factory("cot")({"configurable": wrong}):
                pass
    async with served.factory("cot")({"configurable": {"model": "openai/gpt-5", "policy": "x"}}) as graph:
        assert (await graph.ainvoke(ASKED))["messages"][-1].content == "42"


def post(url: str, body: dict[str, Any]) -> Any:
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


async def up(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            await asyncio.to_thread(urllib.request.urlopen, f"{url}/ok", timeout=5)
        except OSError:
            await asyncio.sleep(0.5)
        else:
            return
    raise AssertionError(f"langgraph dev ended with {process.returncode}")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("langgraph") is None, reason="langgraph-cli is not installed")
async def test_langgraph_dev_serves_them(model: LoopbackServer, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["langgraph", "dev", "--no-browser", "--no-reload", "--port", str(port)]
    command += ["--config", str(ROOT / "langgraph.json")]
    environment = {**os.environ, "LANGSMITH_TRACING": "false"}
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(  # noqa: ASYNC220 (it is only begun)
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        await up(url, process)
        assistants = await asyncio.to_thread(post, f"{url}/assistants/search", {"limit": 100})
        assert {assistant["graph_id"] for assistant in assistants} == set(served.names())
        words = {"role": "user", "content": "What is 6 times 7?"}
        for name in ("best-of-n", "react"):
            asked = {"assistant_id": name, "input": {"messages": [words]}, "context": {"calls": 3}}
            out = await asyncio.to_thread(post, f"{url}/runs/wait", asked)
            assert out["messages"][-1]["content"] == "42"
        call = {"name": "cot", "arguments": {"messages": words["content"]}}
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        told = await asyncio.to_thread(post, f"{url}/mcp", body)
        assert "42" in told["result"]["content"][0]["text"]
    finally:
        process.terminate()
        process.wait(20)
