"""What the conformance suite wants to find in a server beside what a server of ours shows: tools, resources, prompts.

They stand on a surface like our own, so that the same handlers and transports carry them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp import types

from reflectree.apps.mcp_server.surface import Asking, ServedPrompt, ServedTemplate, ServedTool, Surface
from reflectree.rlm_ops.errors import BadInput

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
IMAGE = types.ImageContent(data=PNG, mime_type="image/png")

SCHEMA_2020 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}},
    },
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}


def with_everything(shown: Surface) -> Surface:
    """A surface with the suite's own things on it."""
    return replace(
        shown,
        tools=[*shown.tools, *_tools()],
        templates=[*shown.templates, *_templates()],
        prompts=[*shown.prompts, *_prompts()],
    )


def _embedded(uri: str, text: str, mime: str = "text/plain") -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime, text=text))


def _tools() -> list[ServedTool]:
    says: dict[str, list[Any]] = {
        "test_simple_text": [types.TextContent(text="This is a simple text response for testing.")],
        "test_image_content": [IMAGE],
        "test_audio_content": [types.AudioContent(data=WAV, mime_type="audio/wav")],
        "test_embedded_resource": [_embedded("test://embedded-resource", "This is an embedded resource content.")],
        "test_multiple_content_types": [
            types.TextContent(text="Multiple content types test:"),
            IMAGE,
            _embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
        ],
        "json_schema_2020_12_tool": [types.TextContent(text="fine")],
    }
    made = [_tool(name, content) for name, content in says.items()]

    async def fail(given: dict[str, Any], asking: Asking) -> types.CallToolResult:
        raise BadInput("This tool intentionally returns an error for testing")

    async def progress(given: dict[str, Any], asking: Asking) -> types.CallToolResult:
        for done in (0, 50, 100):
            await asking.report(float(done), 100.0, None)
            await asyncio.sleep(0.05)
        return types.CallToolResult(content=[types.TextContent(text="done")])

    for name, call in (("test_error_handling", fail), ("test_tool_with_progress", progress)):
        made.append(ServedTool(_shown(name), call))
    return made


def _tool(name: str, content: list[Any]) -> ServedTool:
    async def call(given: dict[str, Any], asking: Asking) -> types.CallToolResult:
        return types.CallToolResult(content=content)

    return ServedTool(_shown(name), call)


def _shown(name: str) -> types.Tool:
    schema = SCHEMA_2020 if name.startswith("json_schema") else {"type": "object", "properties": {}}
    return types.Tool(name=name, description=f"The suite's {name}", input_schema=schema)


def _templates() -> list[ServedTemplate]:
    async def read(uri: str) -> types.TextResourceContents | types.BlobResourceContents | None:
        if uri == "test://static-text":
            text = "This is the content of the static text resource."
            return types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)
        if uri == "test://static-binary":
            return types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
        if uri.startswith("test://template/") and uri.endswith("/data"):
            number = uri.split("/")[3]
            text = f'{{"id":"{number}","templateTest":true,"data":"Data for ID: {number}"}}'
            return types.TextResourceContents(uri=uri, mime_type="application/json", text=text)
        return None

    shown = types.ResourceTemplate(uri_template="test://template/{id}/data", name="test", description="The suite's")
    listed = [
        types.Resource(uri="test://static-text", name="text", description="The suite's", mime_type="text/plain"),
        types.Resource(uri="test://static-binary", name="image", description="The suite's", mime_type="image/png"),
    ]
    return [ServedTemplate(shown, read, listed)]


def _prompts() -> list[ServedPrompt]:
    def user(content: Any) -> types.PromptMessage:
        return types.PromptMessage(role="user", content=content)

    def simple(given: Mapping[str, str]) -> types.GetPromptResult:
        return types.GetPromptResult(messages=[user(types.TextContent(text="This is a simple prompt for testing."))])

    def arguments(given: Mapping[str, str]) -> types.GetPromptResult:
        said = f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"
        return types.GetPromptResult(messages=[user(types.TextContent(text=said))])

    def embedded(given: Mapping[str, str]) -> types.GetPromptResult:
        resource = _embedded(given["resourceUri"], "Embedded resource content for testing.")
        after = types.TextContent(text="Please process the embedded resource above.")
        return types.GetPromptResult(messages=[user(resource), user(after)])

    def image(given: Mapping[str, str]) -> types.GetPromptResult:
        return types.GetPromptResult(
            messages=[user(IMAGE), user(types.TextContent(text="Please analyze the image above."))]
        )

    made = []
    for name, get, names in (
        ("test_simple_prompt", simple, ()),
        ("test_prompt_with_arguments", arguments, ("arg1", "arg2")),
        ("test_prompt_with_embedded_resource", embedded, ("resourceUri",)),
        ("test_prompt_with_image", image, ()),
    ):
        taken = [types.PromptArgument(name=argument, required=True) for argument in names]
        shown = types.Prompt(name=name, description=f"The suite's {name}", arguments=taken)
        values = {"arg1": ["testValue1", "testValue2"]} if "arg1" in names else {}
        made.append(ServedPrompt(shown, get, values))
    return made
