"""What an answer may be, as OpenAI's interfaces put it: `tools`, `tool_choice`, `response_format`.

LangChain binds tools in this form, and so do clients of chat completions. Plain data in, `Wants` out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reflectree.graphs.adapters.wants import ToolSpec, Wants
from reflectree.rlm_ops.errors import BadInput

_NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}
_CHOICES = {"any": "required", "required": "required", "auto": "auto", "none": "none"}


def wants_of(
    tools: Sequence[Any] | None = None,
    tool_choice: Any = None,
    parallel: bool | None = None,
    response_format: Any = None,
) -> Wants:
    """What an answer may be.

    Args:
        tools: `[{"type": "function", "function": {"name": ..., "description": ..., "parameters": {...}}}]`.
        tool_choice: `auto`, `none`, `required` (or `any`), a tool's name, or `{"type": "function", "function": {...}}`.
        parallel: Whether one answer may make several calls; it may unless this is false.
        response_format: `{"type": "text" | "json_object"}`, or `json_schema` with the schema in it.

    Raises:
        BadInput: Something is not of this form, or a schema is none.
    """
    schema, json_mode = _format_of(response_format)
    specs = tuple(_spec(tool) for tool in tools or ())
    return Wants(specs, choice_of(tool_choice), parallel is not False, schema, json_mode)


def choice_of(tool_choice: Any) -> str:
    """A tool choice as `Wants` has it."""
    if tool_choice is None or tool_choice is False:
        return "auto"
    if tool_choice is True:
        return "required"
    if isinstance(tool_choice, str):
        return _CHOICES.get(tool_choice, tool_choice)
    function = tool_choice.get("function") if isinstance(tool_choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise BadInput("tool_choice: give auto, none, required, or {'type': 'function', 'function': {'name': ...}}")
    return name


def _spec(tool: Any) -> ToolSpec:
    function = tool.get("function") if isinstance(tool, Mapping) and tool.get("type") == "function" else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise BadInput("tools: each is {'type': 'function', 'function': {'name': ..., 'parameters': {...}}}")
    description, parameters = function.get("description") or "", function.get("parameters")
    if not isinstance(description, str):
        raise BadInput(f"tool {function['name']!r}: its description is no text")
    return ToolSpec(function["name"], description, _NO_ARGUMENTS if parameters is None else parameters)


def _format_of(response_format: Any) -> tuple[Mapping[str, Any] | None, bool]:
    """The schema that is wanted, and whether an object is."""
    if response_format is None:
        return None, False
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind in ("text", "json_object"):
        return None, kind == "json_object"
    wrapped = response_format.get("json_schema") if kind == "json_schema" else None
    schema = wrapped.get("schema") if isinstance(wrapped, Mapping) else None
    if not isinstance(schema, Mapping):
        raise BadInput(
            "response_format: give {'type': 'text'}, {'type': 'json_object'} or "
            "{'type': 'json_schema', 'json_schema': {'name': ..., 'schema': {...}}}"
        )
    return schema, True
