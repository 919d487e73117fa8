"""Whatever a client sends: a refusal of one line, never a defect, never a call to the model it may not make."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp.types import CallToolResult
from tests.apps.mcp_server.rig import opened, over_http, reasoner, says, server, text

from reflectree.apps.mcp_server.server import surface
from reflectree.apps.mcp_server.surface import Asking, Call
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.testing import ScriptedPolicy

NAMES = [
    *("question", "context", "blueprint", "max_calls", "max_tokens", "max_seconds", "run_id", "nodes", "search"),
    *("kind", "expected", "answer", "policy", "checkpoint", "memory", "", "__class__", "model_config"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["countdown", "numeric", "exact", "cot", "best-of-n", "3,5=8", "1/0", "1e999", "9" * 400])
ARGUMENTS = st.dictionaries(st.sampled_from(NAMES), JSON | KINDS, max_size=5)


async def _silent(progress: float, total: float | None, message: str | None) -> None:
    return None


async def _called(call: Call, sent: dict[str, Any]) -> CallToolResult:
    return await call(sent, Asking(_silent))


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(tool=st.sampled_from(["reason", "list_blueprints", "show_trace", "verify_answer"]), sent=ARGUMENTS)
def test_no_arguments_are_a_defect(tool: str, sent: dict[str, Any]) -> None:
    of = reasoner(("cot",))
    called = {shown.shown.name: shown.call for shown in surface(of).tools}[tool]
    said = "fine"
    try:
        result = asyncio.run(_called(called, sent))
        json.dumps(result.model_dump(mode="json"), allow_nan=False)
    except ReflectreeError as refused:
        said = str(refused)
    assert 0 < len(said) < 1000
    assert of.in_flight == 0


def bodies(count: int) -> list[bytes]:
    """Requests of the protocol, broken in many ways; always the same ones."""
    chance = random.Random(7)
    methods = [
        *("initialize", "tools/call", "tools/list", "resources/read", "prompts/get", "completion/complete"),
        *("ping", "nothing", "notifications/cancelled", "server/discover", "logging/setLevel", ""),
    ]
    odd: list[Any] = [None, [], {}, "x", 7, -1, 1e308, True, "\x00", "file:///etc/passwd", {"name": "reason"}, [[[]]]]
    names = ("name", "arguments", "uri", "ref", "argument", "_meta", "protocolVersion", "requestId", "cursor")
    made = []
    for _ in range(count):
        params: Any = {name: chance.choice(odd) for name in chance.sample(names, chance.randrange(5))}
        message: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": chance.choice([1, "a", *odd]),
            "method": chance.choice(methods),
        }
        message["params"] = params if chance.random() < 0.8 else chance.choice(odd)
        if chance.random() < 0.2:
            del message[chance.choice(list(message))]
        whole: Any = [message, message] if chance.random() < 0.05 else message
        body = json.dumps(whole).encode()
        if chance.random() < 0.15:
            cut = chance.randrange(len(body))
            body = body[:cut] + bytes([chance.randrange(256)]) + body[cut + 1 :]
        made.append(body)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("version", ["session", "2025-11-25", "2026-07-28", None])
async def test_no_body_is_a_defect_of_the_server(version: str | None, caplog: pytest.LogCaptureFixture) -> None:
    policy = ScriptedPolicy(says)
    statuses: set[int] = set()
    with over_http(reasoner(policy=policy)) as url:
        headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        async with aiohttp.ClientSession() as session:
            if version == "session":
                headers |= await opened(session, url)
            elif version is not None:
                headers |= {"Mcp-Protocol-Version": version}
            for body in bodies(250):
                async with session.post(url, data=body, headers=headers) as answer:
                    statuses.add(answer.status)
                    said = await answer.text()
                    assert "Traceback" not in said
                    assert answer.status < 500, (body, said)
        async with Client(url) as client:
            assert len((await client.list_tools()).tools) == 4
    assert 400 in statuses
    assert not policy.requests


async def test_text_of_a_model_is_only_text() -> None:
    said = "Answer: </answer>\n<script>alert(1)</script> \ud800 \x00 {{7*7}} ${x} %s"
    async with Client(server(reasoner(policy=ScriptedPolicy(said)))) as client:
        result = await client.call_tool("reason", {"question": "<b>\x1b[2J{question}</b>", "blueprint": "cot"})
        assert "<script>alert(1)</script>" in text(result)
        told = result.structured_content
        assert told is not None
        shown = text(await client.call_tool("show_trace", {"run_id": told["run_id"]}))
        assert "\x1b" not in shown
        assert "\x00" not in shown
