"""`reflectree mcp` as a user types it: what is refused at once, and a server on a port."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.apps.mcp_server.rig import QUESTION, command, text, until

from reflectree.testing import LoopbackServer


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60, check=False, **more)
    assert "Traceback" not in done.stderr
    return done


NETWORK = ("--http", "--host", "0.0.0.0", "--port", "0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (NETWORK, "can be reached from the network"),
        ((*NETWORK, "--api-key-env", "NO_SUCH_KEY"), "NO_SUCH_KEY is not set"),
        (("--http", "--insecure", "--host", "no.such.host.invalid"), "cannot listen"),
        (("--api-key-env", "HOME"), "are for --http"),
        (("--blueprint", "nothing"), "unknown blueprint 'nothing'"),
        (("--blueprint", "react"), "acts with tools"),
        (("--model", "nothing"), "unknown model 'nothing'"),
        (("--model-key-env", "NO_SUCH_KEY", "--model", "http://127.0.0.1:1/v1#m"), "NO_SUCH_KEY is not set"),
        (("--max-calls", "-1"), "budget calls=-1"),
        (("--memory", " "), "--memory names no folder"),
    ],
)
def test_what_cannot_work_is_one_line_and_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_port_in_use_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--http", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "is in use: give another --port" in done.stderr


@pytest.mark.slow
def test_a_host_that_says_nothing_and_leaves() -> None:
    done = run("--blueprint", "cot", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_server_on_a_port_with_a_key(number: signal.Signals, tmp_path: Path) -> None:
    async with LoopbackServer(reply="Answer: 42", latency=0.3) as model:
        options = [
            "--http",
            "--port",
            "0",
            "--api-key-env",
            "MCP_KEY",
            "-b",
            "cot",
            "--model",
            f"{model.base_url}#loopback",
        ]
        with subprocess.Popen(  # noqa: ASYNC220
            command(*options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "MCP_KEY": "k3y"},
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            line = await asyncio.to_thread(process.stdout.readline)
            found = re.fullmatch(r"MCP server \(1 blueprint, .*\) on (http://127\.0\.0\.1:\d+/mcp)\n", line)
            assert found, line
            http = httpx2.AsyncClient(headers={"Authorization": "Bearer k3y"}, timeout=20)
            async with http, Client(streamable_http_client(found[1], http_client=http)) as client:
                await client.list_tools()  # else the client asks for them when it has the answer
                asking = asyncio.create_task(client.call_tool("reason", {"question": QUESTION}))
                await until(lambda: model.counters.requests == 1)
                process.send_signal(number)
                assert text(await asking).startswith("42")
            assert await asyncio.to_thread(process.wait, 20) == 0
            assert process.stderr.read() == ""


@pytest.mark.slow
def test_help_needs_nothing_heavy() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--api-key-env" in done.stdout
