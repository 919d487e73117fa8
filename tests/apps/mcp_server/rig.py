"""A server to test: real blueprints over a scripted policy or a loopback model, on every transport."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp

from reflectree.apps.mcp_server.offer import Offer, offer
from reflectree.apps.mcp_server.over_http import serving_http
from reflectree.apps.mcp_server.reasoning import Reasoner
from reflectree.apps.mcp_server.runs import Runs
from reflectree.apps.mcp_server.server import build_server, surface
from reflectree.apps.mcp_server.surface import Surface
from reflectree.graphs import blueprints
from reflectree.models.base import Request
from reflectree.models.http.running import bind
from reflectree.rlm_ops.budget import Budget
from reflectree.testing import ScriptedPolicy

QUESTION = "Make 24 of 3, 5, 7, 8."
ANSWER = "7 * 5 - 8 - 3"
CAPS = Budget(calls=40, seconds=30.0)


def says(request: Request, index: int) -> str:
    """A model that solves, and judges what it solved."""
    return "Score: 8" if "score" in request.messages[-1].content.lower() else f"Answer: {ANSWER}"


def offering(
    names: tuple[str, ...] = ("best-of-n", "cot"),
    policy: Any = None,
    caps: Budget = CAPS,
    runs: int = 16,
    **given: Any,
) -> Offer:
    """What a server with a scripted policy offers."""
    named = [blueprints.load(name) for name in names]
    return offer(named, {"policy": policy or ScriptedPolicy(says), **given}, caps, runs=runs)


def reasoner(names: tuple[str, ...] = ("best-of-n", "cot"), saver: Any = None, **options: Any) -> Reasoner:
    """What carries out its runs."""
    return Reasoner(offering(names, **options), Runs(None if saver is None else lambda: saver))


def server(of: Reasoner, change: Callable[[Surface], Surface] = lambda shown: shown) -> Any:
    """The protocol's server."""
    return build_server(change(surface(of)))


@contextlib.contextmanager
def over_http(
    of: Reasoner, change: Callable[[Surface], Surface] = lambda shown: shown, **options: Any
) -> Iterator[str]:
    """The address of that server on a thread of this process."""
    with serving_http(server(of, change), bind("127.0.0.1", 0), around=_closing(of), **options) as url:
        yield url


@contextlib.asynccontextmanager
async def _closing(of: Reasoner) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await of.aclose()


def text(result: Any) -> str:
    """The text of a tool's result."""
    return "\n".join(block.text for block in result.content)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: It did not come to be so.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it never came to be so")
        await asyncio.sleep(0.01)


async def opened(session: aiohttp.ClientSession, url: str) -> dict[str, str]:
    """The headers of a session that was begun by hand."""
    headers = {"Accept": "application/json, text/event-stream"}
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bare", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}
    async with session.post(url, json=body, headers=headers) as begun:
        assert begun.status == 200
        await begun.text()
        headers |= {"Mcp-Session-Id": begun.headers["Mcp-Session-Id"], "Mcp-Protocol-Version": "2025-11-25"}
    async with session.post(
        url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers
    ) as told:
        assert told.status == 202
    return headers


PROGRAM = """
from reflectree.apps.cli import app, main
from reflectree.apps.mcp_command import mcp
if not any(command.callback is mcp for command in app.registered_commands):
    app.command()(mcp)
main()
"""


def command(*arguments: str) -> list[str]:
    """The command line of `reflectree mcp`."""
    return [sys.executable, "-c", PROGRAM, "mcp", *arguments]
