"""What a server shows: tools, resources and prompts, each a description and the function behind it.

A surface is plain data, so that tests add to it what a conformance suite wants to find; the server is built of whatever
it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp import types

from reflectree.apps.mcp_server.reporting import Report

Content = Sequence[types.ContentBlock]


@dataclass(frozen=True, slots=True)
class Asking:
    """Who calls a tool, as far as the tool needs to know.

    Attributes:
        report: Sends progress; nothing where the client did not ask for it.
        gone: Set once the client has hung up, where the transport can tell.
        context: The protocol's own context of the request.
    """

    report: Report
    gone: asyncio.Event | None = None
    context: Any = None


Call = Callable[[dict[str, Any], Asking], Awaitable[types.CallToolResult]]


@dataclass(frozen=True, slots=True)
class ServedTool:
    """A tool: what clients are shown, and what is called."""

    shown: types.Tool
    call: Call


@dataclass(frozen=True, slots=True)
class ServedTemplate:
    """Resources of one kind: `read` gives what a URI stands for, or `None` if it is none of its own."""

    shown: types.ResourceTemplate
    read: Callable[[str], Awaitable[types.TextResourceContents | types.BlobResourceContents | None]]
    listed: Sequence[types.Resource] = ()
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServedPrompt:
    """A prompt; `values` are what its arguments may be completed to."""

    shown: types.Prompt
    get: Callable[[Mapping[str, str]], types.GetPromptResult]
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surface:
    """Everything a client can see and call."""

    tools: Sequence[ServedTool]
    templates: Sequence[ServedTemplate] = ()
    prompts: Sequence[ServedPrompt] = ()
    instructions: str = ""
