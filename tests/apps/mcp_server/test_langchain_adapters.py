"""The tools as a LangChain agent sees them, through `langchain-mcp-adapters`, where it is installed."""

from __future__ import annotations

import pytest
from tests.apps.mcp_server.rig import ANSWER, QUESTION, over_http, reasoner

adapters = pytest.importorskip("langchain_mcp_adapters.client")


async def test_an_agent_of_langchain_is_given_the_tools() -> None:
    with over_http(reasoner()) as url:
        client = adapters.MultiServerMCPClient({"reflectree": {"transport": "streamable_http", "url": url}})
        tools = {tool.name: tool for tool in await client.get_tools()}
        assert set(tools) == {"reason", "list_blueprints", "show_trace", "verify_answer"}
        assert ANSWER in str(await tools["reason"].ainvoke({"question": QUESTION}))
