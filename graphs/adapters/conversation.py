"""A conversation as a task: the last user turn is the question, and all else is told in its context.

What anybody said, the system turn included, is data of the task: it is fenced, and no system prompt holds it. What
forms of answer are wanted is said at the end of the question. What the answer's text then means is read in `wants`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage

from reflectree.agents.prompts import fence
from reflectree.graphs.adapters.wants import Wants
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

SYSTEM = "Keep to what the system turn in the context says about how to reply."
BEFORE = "The conversation so far:"
SINCE = "Since the question below was asked:"
ON = "Go on from what has happened since this was asked, as the context tells it; do not do again what is done."
TOOLS = (
    "Tools can be called. Each is described between the tags, with the JSON schema of its arguments:\n{tools}\n"
    'A call is one JSON object on a line of its own: {{"tool": NAME, "arguments": {{...}}}}. What a tool returns is '
    "told in the next turn; it is never made up."
)
MAY_CALL = "The answer is either the reply in words, or {calls} and nothing else."
MUST_CALL = "The answer is {calls} and nothing else."
SCHEMA = "The answer{words} is one JSON value that follows this JSON schema, and nothing else:\n{schema}"
JSON = "The answer{words} is one JSON object and nothing else."
_SKIPPED = frozenset({
    "tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "server_tool_call", "server_tool_call_chunk",
    "thinking", "redacted_thinking", "reasoning", "reasoning_content", "function_call", "refusal", "non_standard",
})  # fmt: skip
"""Blocks that say nothing of the conversation which its messages do not say."""


def asked(messages: Sequence[BaseMessage], wants: Wants = Wants()) -> Task:  # noqa: B008 (frozen)
    """The task a conversation sets.

    Args:
        messages: The turns, oldest first.
        wants: What the answer may be.

    Raises:
        BadInput: There is no user turn with words, or a turn holds images, audio or files.
    """
    last = max((at for at, message in enumerate(messages) if isinstance(message, HumanMessage)), default=None)
    if last is None:
        raise BadInput("the conversation has no user turn: give a message of the user")
    question = words_of(messages[last])
    if not question.strip():
        raise BadInput("the last user turn is empty: give it words")
    before = [_told(message) for message in messages[:last]]
    since = [_told(message) for message in messages[last + 1 :]]
    context = [BEFORE, *before] if before else []
    context += [SINCE, *since] if since else []
    parts = [question]
    if any(isinstance(message, SystemMessage) for message in messages):
        parts.append(SYSTEM)
    if since:
        parts.append(ON)
    parts += _wanted(wants)
    return Task("\n\n".join(parts), context="\n\n".join(context), form="text")


def words_of(message: BaseMessage) -> str:
    """The words of a message.

    Raises:
        BadInput: It holds images, audio or files.
    """
    content = message.content
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, map(_block, content)))


def _block(block: Any) -> str:
    """The words of one block."""
    if isinstance(block, str):
        return block
    kind = block.get("type") if isinstance(block, Mapping) else None
    if kind in ("text", "output_text", "input_text") and isinstance(block.get("text"), str):
        return str(block["text"])
    if kind == "tool_result":
        inner = block.get("content", "")
        shown = inner if isinstance(inner, str) else "\n".join(filter(None, map(_block, inner)))
        return fence("result", shown)
    if kind in _SKIPPED:
        return ""
    raise BadInput(f"a message holds {kind or 'a block without a type'}: only words can be reasoned about")


def _told(message: BaseMessage) -> str:
    """A turn as data."""
    words = words_of(message)
    if isinstance(message, ToolMessage | FunctionMessage):
        by = getattr(message, "tool_call_id", "") or ""
        head = " ".join(filter(None, ("A tool returned", message.name or "", by and f"(call {by})")))
        failed = " an error" if getattr(message, "status", "success") == "error" else ""
        return f"{_line(head)}{failed}:\n{fence('result', words)}"
    if isinstance(message, AIMessage):
        calls = [
            json.dumps({"tool": call["name"], "arguments": call["args"], "id": call.get("id")}, ensure_ascii=False)
            for call in message.tool_calls
        ]
        told = [fence("assistant", words)] if words or not calls else []
        return "\n".join((*told, *([f"The assistant called:\n{fence('calls', chr(10).join(calls))}"] if calls else [])))
    role = "system" if isinstance(message, SystemMessage) else "user" if isinstance(message, HumanMessage) else "turn"
    return fence(role, words)


def _line(text: str) -> str:
    """A client's name on one line, and not longer than a name."""
    return " ".join(text.split())[:300].replace("<", "&lt;")


def _wanted(wants: Wants) -> list[str]:
    """What is said of the form of the answer."""
    parts: list[str] = []
    tools = wants.callable
    if tools:
        described = [
            json.dumps(
                {"tool": tool.name, "description": tool.description, "arguments": tool.parameters}, ensure_ascii=False
            )
            for tool in tools
        ]
        calls = "one or more calls" if wants.parallel else "one call"
        if wants.must_call and wants.choice != "required":
            calls = f"{calls} of {wants.choice}"
        parts.append(TOOLS.format(tools=fence("tools", "\n".join(described))))
        parts.append((MUST_CALL if wants.must_call else MAY_CALL).format(calls=calls))
    if wants.must_call:
        return parts
    words = " in words" if tools else ""
    if wants.schema is not None:
        schema = json.dumps(wants.schema, ensure_ascii=False)
        parts.append(SCHEMA.format(words=words, schema=fence("schema", schema)))
    elif wants.json:
        parts.append(JSON.format(words=words))
    return parts


__all__ = ["asked", "words_of"]
