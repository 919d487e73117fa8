"""The turns of a conversation as clients of OpenAI's API send them, and as messages of LangChain.

Text alone is read; pictures, sounds and files are refused by their names. What a conversation asks is not known here.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, LiteralString

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from reflectree.models.http.errors import ApiError


def wrong(code: LiteralString, said: str) -> PydanticCustomError:
    """What a validator raises."""
    # braces in what a client sent must not be read as places of a template
    return PydanticCustomError(code, "{said}", {"said": said})


class Part(BaseModel):
    """A part of a body: types are not guessed, and fields that are not known are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class TextPart(Part):
    """A part of a turn's content."""

    type: Literal["text", "input_text", "output_text"]
    text: str


class RefusalPart(Part):
    """What an assistant said in place of an answer."""

    type: Literal["refusal"]
    refusal: str


_TEXTS = ("text", "input_text", "output_text")


def _readable(content: Any) -> Any:
    """Say what is wrong with a content in one line, where the union of its forms would say it of each of them."""
    if not isinstance(content, str | list | None):
        raise wrong("invalid_content", "give a text, or a list of text parts")
    for at, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            raise wrong("invalid_content", f"part {at} is no object with a type")
        if kind not in (*_TEXTS, "refusal"):
            raise wrong("unsupported_content", f"a part of type {kind[:40]!r} cannot be read here: send text only")
        if not isinstance(part.get("refusal" if kind == "refusal" else "text"), str):
            raise wrong("invalid_content", f"part {at} has no text")
    return content


Content = Annotated[
    str | list[Annotated[TextPart | RefusalPart, Field(discriminator="type")]], BeforeValidator(_readable)
]


class CalledFunction(Part):
    """The function that an assistant called, its arguments as JSON text."""

    name: str
    arguments: str = "{}"


class Called(Part):
    """A tool call of an assistant's turn."""

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction


class Turn(Part):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    name: str | None = None
    tool_calls: list[Called] | None = Field(default=None, description="Of an assistant: the tools it called.")
    tool_call_id: str | None = Field(default=None, description="Of a tool: the call that this answers.")
    refusal: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Turn:
        if self.content is None and self.role != "assistant":
            raise wrong("missing_content", f"a turn of {self.role} needs content")
        if self.role == "tool" and not self.tool_call_id:
            raise wrong("missing_tool_call_id", "a turn of tool needs the tool_call_id that it answers")
        return self

    @property
    def text(self) -> str:
        """What it says."""
        if self.content is None or isinstance(self.content, str):
            return self.content or self.refusal or ""
        return "".join(part.text if isinstance(part, TextPart) else part.refusal for part in self.content)


def message_of(turn: Turn, index: int) -> BaseMessage:
    """A turn in LangChain's form.

    Raises:
        ApiError: The arguments of a call are no JSON object.
    """
    if turn.role in ("system", "developer"):
        return SystemMessage(turn.text)
    if turn.role == "user":
        return HumanMessage(turn.text, name=turn.name)
    if turn.role == "tool":
        return ToolMessage(turn.text, tool_call_id=turn.tool_call_id or "", name=turn.name)
    calls = [_call(call, f"messages[{index}].tool_calls[{at}]") for at, call in enumerate(turn.tool_calls or ())]
    return AIMessage(turn.text, tool_calls=calls)


def _call(call: Called, place: str) -> ToolCall:
    try:
        arguments = json.loads(call.function.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        param = f"{place}.function.arguments"
        raise ApiError(422, "invalid_field", f"{param}: the arguments of a call are one JSON object", param=param)
    return ToolCall(name=call.function.name, args=arguments, id=call.id or None, type="tool_call")
