"""The protocol's server, built of a surface: requests are handed to what stands there, and errors told in one line.

Transports are `over_stdio` and `over_http`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mcp import types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from reflectree.apps.mcp_server.prompts import prompts
from reflectree.apps.mcp_server.reasoning import HungUp, Reasoner
from reflectree.apps.mcp_server.resources import templates
from reflectree.apps.mcp_server.surface import Asking, Surface
from reflectree.apps.mcp_server.tools import tools
from reflectree.rlm_ops.errors import ReflectreeError

GONE = "reflectree.gone"
"""Where in a request's scope the event stands that is set when the client hangs up."""

_INSTRUCTIONS = (
    "reflectree searches over lines of reasoning. Use `reason` for a question where a first thought is often wrong, "
    "with everything it needs in `question` and `context`; `list_blueprints` says which ways of reasoning there are, "
    "`show_trace` how an answer was found. Answers are a model's words: check what matters."
)
_COMPLETIONS = 100

logger = logging.getLogger(__name__)


def surface(reasoner: Reasoner) -> Surface:
    """What a server of ours shows."""
    return Surface(tools(reasoner), templates(reasoner), prompts(reasoner.offer), _INSTRUCTIONS)


def build_server(shown: Surface) -> Server[Any]:
    """The server that shows a surface.

    Args:
        shown: The tools, resources and prompts.
    """
    from reflectree import __version__

    handlers = _Handlers(shown)
    return Server(
        "reflectree",
        version=__version__,
        title="reflectree",
        description="Reasoning search for language models",
        instructions=shown.instructions or None,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_completion=handlers.complete,
    )


class _Handlers:
    """What is done with each request."""

    def __init__(self, shown: Surface) -> None:
        self._shown = shown
        self._tools = {tool.shown.name: tool for tool in shown.tools}
        self._prompts = {prompt.shown.name: prompt for prompt in shown.prompts}

    async def list_tools(self, context: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.shown for tool in self._shown.tools])

    async def call_tool(
        self, context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            raise _refused(f"no tool {params.name!r:.80}; there are {', '.join(self._tools)}")
        asking = Asking(context.session.report_progress, _gone(context), context)
        try:
            return await tool.call(params.arguments or {}, asking)
        except HungUp as error:
            logger.info("%s: %s", params.name, error)
            return _error(str(error))
        except ReflectreeError as error:
            return _error(str(error))
        except MCPError:
            raise
        except Exception as error:  # the boundary to the client: a defect of ours is one line too
            logger.exception("tool %s", params.name)
            return _error(f"unexpected {type(error).__name__} in {params.name}: the server's log says where")

    async def list_resources(
        self, context: Any, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[entry for kind in self._shown.templates for entry in kind.listed])

    async def list_templates(
        self, context: Any, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[kind.shown for kind in self._shown.templates])

    async def read_resource(self, context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            for kind in self._shown.templates:
                found = await kind.read(uri)
                if found is not None:
                    return types.ReadResourceResult(contents=[found])
        except ReflectreeError as error:
            raise _refused(str(error), uri=uri) from None
        raise _refused(f"no resource {uri!r:.200}: see resources/list and resources/templates/list", uri=uri)

    async def list_prompts(self, context: Any, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[prompt.shown for prompt in self._shown.prompts])

    async def get_prompt(self, context: Any, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        prompt = self._prompts.get(params.name)
        if prompt is None:
            raise _refused(f"no prompt {params.name!r:.80}; there are {', '.join(self._prompts)}")
        try:
            return prompt.get(params.arguments or {})
        except ReflectreeError as error:
            raise _refused(str(error)) from None

    async def complete(self, context: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
        values = self._values(params.ref).get(params.argument.name, ())
        typed = params.argument.value.casefold()
        fitting = [value for value in values if typed in value.casefold()]
        fitting.sort(key=lambda value: not value.casefold().startswith(typed))
        most = fitting[:_COMPLETIONS]
        made = types.Completion(values=most, total=len(fitting), has_more=len(fitting) > len(most))
        return types.CompleteResult(completion=made)

    def _values(self, ref: types.PromptReference | types.ResourceTemplateReference) -> Mapping[str, Sequence[str]]:
        if isinstance(ref, types.PromptReference):
            if ref.name not in self._prompts:
                raise _refused(f"no prompt {ref.name!r:.80}")
            return self._prompts[ref.name].values
        for kind in self._shown.templates:
            if kind.shown.uri_template == ref.uri:
                return kind.values
        raise _refused(f"no resource template {ref.uri!r:.200}")


def _gone(context: ServerRequestContext[Any, Any]) -> asyncio.Event | None:
    """What is set when the client hangs up, where the transport tells."""
    scope = getattr(context.request, "scope", None)
    return scope.get(GONE) if isinstance(scope, dict) else None


def _refused(message: str, **data: str) -> MCPError:
    return MCPError(code=types.INVALID_PARAMS, message=message, data=data or None)


def _error(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=" ".join(message.split()))], is_error=True)
