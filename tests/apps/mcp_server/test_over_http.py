"""Streamable HTTP with the protocol's own client, and with a bare one: answers, keys, headers, hang-ups, the end."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import threading
from typing import Any

import aiohttp
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.apps.mcp_server.rig import ANSWER, QUESTION, opened, over_http, reasoner, says, text, until

from reflectree.testing import ScriptedPolicy

BOTH = pytest.mark.parametrize("mode", ["legacy", "auto"])
SLOW = {"question": QUESTION, "blueprint": "cot"}


def slow() -> ScriptedPolicy:
    """A model that takes its time."""
    return ScriptedPolicy(says, latency=60.0)


@BOTH
async def test_an_answer_with_progress(mode: Any) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    policy = ScriptedPolicy(says, latency=0.06)
    with over_http(reasoner(policy=policy, concurrency=2)) as url:
        async with Client(url, mode=mode) as client:
            result = await client.call_tool("reason", {"question": QUESTION}, progress_callback=hear)
    assert text(result).splitlines()[0] == ANSWER
    assert result.structured_content is not None
    spent = [progress for progress, _, _ in told]
    assert len(told) >= 3
    assert all(before < after for before, after in itertools.pairwise(spent))
    assert {total for _, total, _ in told} == {40.0}
    assert told[0][2] == f"run {result.structured_content['run_id']} begins: best-of-n"
    assert all(message and "\n" not in message for _, _, message in told)


@BOTH
async def test_two_clients_at_once_get_their_own_answers(mode: Any) -> None:
    policy = ScriptedPolicy(lambda request, index: f"Answer: {request.messages[-1].content.count('x')}", latency=0.02)
    with over_http(reasoner(("cot",), policy=policy)) as url:

        async def ask(count: int) -> str:
            async with Client(url, mode=mode) as client:
                results = [client.call_tool("reason", {"question": f"Count: {'x' * n}?"}) for n in (count, count + 40)]
                return " ".join(text(result).splitlines()[0] for result in await asyncio.gather(*results))

        said = await asyncio.gather(*(ask(count) for count in range(100, 106)))
    first = int(said[0].split()[0])  # the prompt may hold some of its own
    assert said == [f"{first + n} {first + n + 40}" for n in range(6)]


@BOTH
async def test_a_cancelled_call_ends_the_run(mode: Any) -> None:
    policy = slow()
    of = reasoner(policy=policy)
    with over_http(of) as url:
        async with Client(url, mode=mode) as client:
            calling = asyncio.create_task(client.call_tool("reason", SLOW))
            await until(lambda: len(policy.requests) == 1)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            await until(lambda: of.in_flight == 0)
            assert policy._in_flight == 0
            assert not (await client.call_tool("list_blueprints", {})).is_error


async def test_a_client_that_hangs_up_ends_the_run() -> None:
    policy = slow()
    of = reasoner(policy=policy)
    with over_http(of) as url:
        async with aiohttp.ClientSession() as session:
            headers = await opened(session, url)
            body = call("reason", SLOW)
            asking = asyncio.create_task(posted(session, url, body, headers))
            await until(lambda: len(policy.requests) == 1)
            asking.cancel()
            await let_go(asking)
        await until(lambda: of.in_flight == 0)
        assert policy._in_flight == 0


async def test_a_client_that_stops_reading_holds_nothing_up() -> None:
    of = reasoner(policy=ScriptedPolicy(says, latency=0.005), concurrency=2)
    with over_http(of) as url:
        async with aiohttp.ClientSession(read_bufsize=2**10) as session:
            headers = await opened(session, url)
            body = call("reason", {"question": QUESTION}, progress="p")
            silent = await session.post(url, json=body, headers=headers)
            await until(lambda: of.in_flight == 0)
            async with Client(url) as client:
                assert text(await client.call_tool("reason", {"question": QUESTION})).startswith(ANSWER)
            silent.close()


async def test_the_end_answers_what_is_under_way_and_refuses_others() -> None:
    policy = ScriptedPolicy(says, latency=0.3)
    of = reasoner(("cot",), policy=policy)
    serving = over_http(of)
    url = serving.__enter__()
    async with aiohttp.ClientSession() as session:
        headers = await opened(session, url)
        asking = asyncio.create_task(posted(session, url, call("reason", SLOW), headers))
        await until(lambda: len(policy.requests) == 1)
        ending = threading.Thread(target=serving.__exit__, args=(None, None, None))
        ending.start()
        status, said = 200, ""
        while status == 200:
            async with session.post(url, json=call("list_blueprints", {}), headers=headers) as refused:
                status, said = refused.status, await refused.text()
        assert status == 503
        assert "shutting down" in json.loads(said)["error"]["message"]
        answered = await asking
        assert ANSWER in await answered.text()
    await asyncio.to_thread(ending.join)


@BOTH
async def test_the_end_cuts_what_does_not_end(mode: Any) -> None:
    policy = slow()
    of = reasoner(policy=policy)
    serving = over_http(of, grace=0.1)
    url = serving.__enter__()
    with contextlib.suppress(Exception):  # whatever the client makes of a server that has gone
        async with Client(url, mode=mode) as client:
            asking = asyncio.create_task(client.call_tool("reason", SLOW))
            await until(lambda: len(policy.requests) == 1)
            await asyncio.to_thread(serving.__exit__, None, None, None)
            asking.cancel()
    assert len(policy.requests) == 1
    assert (of.in_flight, policy._in_flight) == (0, 0)


async def test_the_key() -> None:
    with over_http(reasoner(), api_key="s3cret") as url:
        async with aiohttp.ClientSession() as session:
            for sent in (None, "Bearer wrong", "Bearer ", "s3cret", "Basic s3cret", "Bearer s3cret2", "Bearer \xff"):
                headers = {} if sent is None else {"Authorization": sent}
                async with session.post(url, json=call("reason", SLOW), headers=headers) as refused:
                    assert refused.status == 401
                    assert refused.headers["WWW-Authenticate"] == "Bearer"
                    assert "asks for a key" in (await refused.json())["error"]["message"]
            async with session.get(url.replace("/mcp", "/health")) as health:
                assert await health.json() == {"status": "ok"}
        http = httpx2.AsyncClient(headers={"Authorization": "Bearer s3cret"})
        async with http, Client(streamable_http_client(url, http_client=http)) as client:
            assert len((await client.list_tools()).tools) == 4


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example.com"}, 421),
        ({"Host": "evil.example.com:80"}, 421),
        ({"Host": "127.0.0.1.evil.example.com"}, 421),
        ({"Host": "localhost@evil.example.com"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "[::1"}, 421),
        ({"Host": "192.168.1.5"}, 421),
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example.com:8000"}, 403),
    ],
)
async def test_rebound_names_are_refused(headers: dict[str, str], status: int) -> None:
    policy = ScriptedPolicy(says)
    with over_http(reasoner(policy=policy)) as url:
        async with aiohttp.ClientSession() as session:
            for path in ("/mcp", "/health", "/nothing"):
                target = url.replace("/mcp", path)
                async with session.post(target, json=call("reason", SLOW), headers=headers) as refused:
                    assert refused.status == status, path
    assert not policy.requests


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1", "127.1.2.3:80", "[::1]:8765"])
async def test_own_names_are_answered(host: str) -> None:
    with over_http(reasoner()) as url:
        async with aiohttp.ClientSession() as session:
            headers = {"Host": host, "Origin": f"http://{host}"}
            async with session.get(url.replace("/mcp", "/health"), headers=headers) as health:
                assert health.status == 200


BODIES: list[tuple[bytes, dict[str, str]]] = [
    (b"", {}),
    (b"{", {}),
    (b"[]", {}),
    (b"null", {}),
    (b"\xff\xfe", {}),
    (b'"text"', {}),
    (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', {}),
    (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', {}),
    (b"[" * 100_000, {}),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}', {}),
    (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode(), {"Content-Type": "text/plain"}),
    (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode(), {"Accept": "text/html"}),
    (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode(), {"Mcp-Session-Id": "nobody's"}),
    (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode(), {"Mcp-Protocol-Version": "1999-01-01"}),
    (b'{"question": "' + b"x" * (50 * 2**20) + b'"}', {}),
]


@pytest.mark.parametrize(("body", "headers"), BODIES, ids=range(len(BODIES)))
async def test_what_is_no_request_is_refused(body: bytes, headers: dict[str, str]) -> None:
    with over_http(reasoner()) as url:
        async with aiohttp.ClientSession() as session:
            sent = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json", **headers}
            try:
                async with session.post(url, data=io.BytesIO(body), headers=sent) as refused:
                    assert 400 <= refused.status < 500
                    assert "Traceback" not in await refused.text()
            except aiohttp.ClientConnectionError:  # it need not read 50 MB to refuse them
                assert len(body) > 2**20
            async with session.get(url.replace("/mcp", "/health")) as health:
                assert health.status == 200


async def test_other_methods_and_paths() -> None:
    with over_http(reasoner()) as url:
        async with aiohttp.ClientSession() as session:
            for method, target, status in (
                ("PUT", url, 405),
                ("GET", url, 400),
                ("GET", url + "/../etc/passwd", 404),
                ("GET", url.replace("/mcp", "/"), 404),
            ):
                async with session.request(method, target) as answer:
                    assert answer.status == status, (method, target)


async def posted(session: aiohttp.ClientSession, url: str, body: Any, headers: Any) -> aiohttp.ClientResponse:
    """The response, once its headers have come."""
    return await session.post(url, json=body, headers=headers)


async def let_go(asking: asyncio.Task[aiohttp.ClientResponse]) -> None:
    """Close the connection of a request, whether its headers have come or not."""
    [response] = await asyncio.gather(asking, return_exceptions=True)
    if isinstance(response, aiohttp.ClientResponse):
        response.close()


def call(tool: str, arguments: dict[str, Any], progress: str | None = None) -> dict[str, Any]:
    """The body of a tool call."""
    meta = {} if progress is None else {"_meta": {"progressToken": progress}}
    params = {"name": tool, "arguments": arguments, **meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
