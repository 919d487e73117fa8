"""The program as a host starts it: a child process spoken to over its standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from tests.apps.mcp_server.rig import ANSWER, QUESTION, command, text, until

from reflectree.testing import LoopbackServer

pytestmark = pytest.mark.slow
"""Each starts an interpreter."""

HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bare", "version": "1"}},
}


def model(server: Any) -> tuple[str, ...]:
    """The options that name a loopback model."""
    return "--model", f"{server.base_url}#loopback", "-b", "cot", "-b", "best-of-n"


@asynccontextmanager
async def host(*arguments: str, mode: Any = "legacy", log: Path) -> AsyncIterator[Client]:
    """A host that starts the program as its child."""
    program, *rest = command(*arguments)
    child = StdioServerParameters(command=program, args=rest, env=dict(os.environ))
    with log.open("w") as errors:
        async with Client(stdio_client(child, errlog=errors), mode=mode) as client:
            yield client


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program, spoken to by hand."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command(*arguments), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[bytes], *messages: Any) -> None:
    """Write messages, one a line."""
    assert process.stdin is not None
    for message in messages:
        process.stdin.write((message if isinstance(message, str) else json.dumps(message)).encode() + b"\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> Any:
    """The next message."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def asks(question: str = QUESTION, number: int = 1) -> list[Any]:
    """What a host writes to ask."""
    params = {"name": "reason", "arguments": {"question": question}}
    return [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params},
    ]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_host_asks(mode: Any, tmp_path: Path) -> None:
    async with LoopbackServer(reply=f"Answer: {ANSWER}") as server:
        async with host(*model(server), mode=mode, log=tmp_path / "log") as client:
            assert client.server_info is not None
            assert client.server_info.name == "reflectree"
            assert [tool.name for tool in (await client.list_tools()).tools] == [
                *("reason", "list_blueprints", "show_trace", "verify_answer")
            ]
            result = await client.call_tool("reason", {"question": QUESTION})
            assert text(result).splitlines()[0] == ANSWER
            assert result.structured_content is not None
            shown = await client.call_tool("show_trace", {"run_id": result.structured_content["run_id"]})
            assert QUESTION in text(shown)
            assert (await client.call_tool("reason", {"question": ""})).is_error
        assert server.counters.requests == 1
    assert (tmp_path / "log").read_text() == ""


async def test_cancelling_stops_the_calls_to_the_model(tmp_path: Path) -> None:
    async with LoopbackServer(reply="Answer: 1", latency=0.2) as server:
        async with host(*model(server), "-j", "2", log=tmp_path / "log") as client:
            calling = asyncio.create_task(client.call_tool("reason", {"question": QUESTION, "blueprint": "best-of-n"}))
            await until(lambda: server.counters.answered >= 2, 30)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            await asyncio.sleep(0.5)
            seen = server.counters.requests
            await asyncio.sleep(0.8)
            assert server.counters.requests == seen < 12
            assert not (await client.call_tool("list_blueprints", {})).is_error


async def test_a_host_that_leaves_ends_the_calls_and_the_program() -> None:
    async with LoopbackServer(reply="Answer: 1", latency=0.2) as server:
        with child(*model(server), "-j", "1") as process:
            tell(process, HELLO)
            await asyncio.to_thread(hear, process)
            tell(process, *asks())
            await until(lambda: server.counters.requests >= 1, 30)
            assert process.stdin is not None
            process.stdin.close()
            assert await asyncio.to_thread(process.wait, 15) == 0
            seen = server.counters.requests
            await asyncio.sleep(0.5)
            assert server.counters.requests == seen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_though_the_host_keeps_the_pipe_open(number: signal.Signals) -> None:
    async with LoopbackServer(reply="Answer: 1", latency=60.0) as server:
        with child(*model(server)) as process:
            tell(process, HELLO)
            await asyncio.to_thread(hear, process)
            tell(process, *asks())
            await until(lambda: server.counters.requests == 1, 30)
            process.send_signal(number)
            assert await asyncio.to_thread(process.wait, 15) == 130
            assert process.stderr is not None
            assert b"Traceback" not in process.stderr.read()


async def test_only_the_protocol_on_standard_output_whatever_is_said_to_it() -> None:
    async with LoopbackServer(reply="Answer: \x1b[31mred\u2028\n\nend") as server:
        with child(*model(server)) as process:
            noise = ["", "hello", "{", "[]", "null", "\x00", "[" * 10_000, '{"jsonrpc": "2.0", "id": 9}']
            tell(process, *noise, HELLO, *asks())
            said: list[Any] = []
            while not said or said[-1].get("id") != 1:
                said.append(await asyncio.to_thread(hear, process))
            assert all(message["jsonrpc"] == "2.0" for message in said)
            assert "red" in json.dumps(said[-1]["result"])
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            assert await asyncio.to_thread(process.stdout.read) == b""


NOISY = """
import os, sys
def score(path):
    print("printed")
    os.write(1, b"written\\n")
    os.system("echo from a child")
    return 0.5
"""


async def test_what_libraries_print_goes_to_standard_error(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    async with LoopbackServer(reply="Answer: 1") as server:
        options = (*model(server), "--evaluator", f"{tmp_path / 'noisy.py'}:score")
        async with host(*options, log=tmp_path / "log") as client:
            result = await client.call_tool("reason", {"question": QUESTION, "blueprint": "best-of-n", "max_calls": 4})
            assert not result.is_error
    log = (tmp_path / "log").read_text()
    assert all(words in log for words in ("printed", "written", "from a child"))


async def test_two_hosts_two_programs(tmp_path: Path) -> None:
    async with LoopbackServer(reply="Answer: 1", latency=0.1) as server:
        async with (
            host(*model(server), log=tmp_path / "first") as first,
            host(*model(server), log=tmp_path / "second") as second,
        ):
            results = await asyncio.gather(*(c.call_tool("reason", {"question": QUESTION}) for c in (first, second)))
            told = results[0].structured_content
            assert told is not None
            assert "has no run" in text(await second.call_tool("show_trace", {"run_id": told["run_id"]}))


async def test_a_checkpoint_shows_runs_after_a_new_start(tmp_path: Path) -> None:
    kept = ("--checkpoint", str(tmp_path / "runs.sqlite"))
    async with LoopbackServer(reply="Answer: 1") as server:
        async with host(*model(server), *kept, log=tmp_path / "log") as client:
            told = (await client.call_tool("reason", {"question": QUESTION})).structured_content
        assert told is not None
        async with host(*model(server), *kept, log=tmp_path / "log") as client:
            assert QUESTION in text(await client.call_tool("show_trace", {"run_id": told["run_id"]}))
            read = await client.read_resource(f"reflectree://runs/{told['run_id']}")
            rows = read.contents[0].model_dump()["text"].splitlines()
            assert json.loads(rows[-1])["op"] == "answer"
    assert server.counters.requests == 1


async def test_what_a_killed_server_had_paid_for_is_in_the_checkpoint(tmp_path: Path) -> None:
    kept = ("--checkpoint", str(tmp_path / "runs.sqlite"))
    async with LoopbackServer(reply="Answer: 1", latency=0.1) as server:
        with child(*model(server), *kept, "-j", "1") as process:
            tell(process, HELLO)
            await asyncio.to_thread(hear, process)
            asked = asks()
            asked[1]["params"] |= {"_meta": {"progressToken": 7}}
            asked[1]["params"]["arguments"] |= {"blueprint": "best-of-n"}
            tell(process, *asked)
            opening = (await asyncio.to_thread(hear, process))["params"]["message"]
            await until(lambda: server.counters.answered >= 5, 30)  # what is written lags behind a busy machine's calls
            process.kill()
            process.wait()
        async with host(*model(server), *kept, log=tmp_path / "log") as client:
            shown = text(await client.call_tool("show_trace", {"run_id": opening.split()[1]}))
    assert "not finished" in shown
    paid = re.search(r"([0-9]+) calls?,", shown)
    assert paid is not None, shown
    assert int(paid[1]) >= 1
