"""What an agent asks its model, read for a search: which tools may be called, how long a reply may be, and in words.

It reads requests of `langchain.agents` by their attributes, and draws nothing from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from reflectree.rlm_ops.task import Task

if TYPE_CHECKING:
    from langchain.agents.middleware import ModelRequest

NO_QUESTION = "What should the assistant say or do next?"
_ROOM = ("max_tokens", "max_output_tokens", "num_predict", "max_new_tokens")
"""What chat models call the most tokens of a reply."""


def room_of(request: ModelRequest[Any]) -> int | None:
    """The most tokens a reply may have, where the model says it."""
    return next((cap for name in _ROOM if isinstance(cap := getattr(request.model, name, None), int)), None)


def offered(request: ModelRequest[Any]) -> frozenset[str]:
    """The names of the tools that a reply may call, those that stand for structured responses included."""
    names: set[str] = set()
    for tool in request.tools:
        if isinstance(tool, Mapping):
            function = tool.get("function")
            name = function.get("name") if isinstance(function, Mapping) else tool.get("name") or tool.get("title")
        else:
            name = tool.name
        names.add(str(name))
    wanted = request.response_format
    specs = getattr(wanted, "schema_specs", None) or [getattr(wanted, "schema_spec", None)]
    names |= {spec.name for spec in specs if spec is not None}
    schema = getattr(wanted, "schema", None)  # a strategy that is still to be settled on
    title = schema.get("title") if isinstance(schema, Mapping) else getattr(schema, "__name__", None)
    return frozenset(names | ({str(title)} if title else set()))


def task_of(request: ModelRequest[Any]) -> Task:
    """What a judge reads: the last thing a person said, and the conversation as data."""
    asked = [str(message.text) for message in request.messages if isinstance(message, HumanMessage)]
    question = asked[-1] if asked and asked[-1].strip() else NO_QUESTION
    return Task(question, context=transcript(request))


def transcript(request: ModelRequest[Any]) -> str:
    """The conversation and the tools in words."""
    system = [] if request.system_message is None else [request.system_message]
    lines = [_line(message) for message in (*system, *request.messages)]
    tools = [f"{tool.name}: {tool.description}" for tool in request.tools if not isinstance(tool, Mapping)]
    return "\n".join([*lines, *(["tools:", *tools] if tools else [])])


def _line(message: BaseMessage) -> str:
    who = "assistant" if isinstance(message, AIMessage) else "user" if isinstance(message, HumanMessage) else "system"
    if isinstance(message, ToolMessage):
        who = f"tool {message.name or message.tool_call_id}"
    elif not isinstance(message, AIMessage | HumanMessage | SystemMessage):
        who = message.type
    calls = [f"calls {call['name']}({call['args']})" for call in getattr(message, "tool_calls", ())]
    return f"{who}: {' '.join([str(message.text), *calls])}".rstrip()
