"""A chat model that says what a script says, for the tests of the adapters: sync, async and streaming."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

Said = AIMessage | Exception
Script = Callable[[Sequence[BaseMessage], int], Said]


class ScriptedChat(BaseChatModel):
    """Says what its script says to the messages; the script also gets the call's number."""

    script: Any
    model_name: str = "scripted-chat"
    max_tokens: int | None = None
    temperature: float | None = None
    _count: Any = PrivateAttr(default_factory=itertools.count)
    _asked: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _settings: list[dict[str, Any]] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[list[BaseMessage]]:
        return self._asked

    @property
    def settings(self) -> list[dict[str, Any]]:
        return self._settings

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **keywords: Any) -> Any:
        return self.bind(tools=list(tools), **keywords)

    def _say(self, messages: list[BaseMessage], settings: dict[str, Any]) -> AIMessage:
        self._asked.append(messages)
        self._settings.append(settings)
        said: Said = self.script(messages, next(self._count))
        if isinstance(said, Exception):
            raise said
        return said

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **settings: Any,
    ) -> ChatResult:
        message = self._say(messages, settings)
        message.response_metadata.setdefault("model_name", self.model_name)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **settings: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._say(messages, settings)
        calls = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=number)
            for number, call in enumerate(message.tool_calls)
        ]
        metadata = {"model_name": self.model_name, **message.response_metadata}
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content=message.content,
                tool_call_chunks=calls,
                usage_metadata=message.usage_metadata,
                response_metadata=metadata,
            )
        )


def says(text: str, *, prompt: int = 10, written: int = 5, **fields: Any) -> AIMessage:
    """A message with its usage."""
    usage = {"input_tokens": prompt, "output_tokens": written, "total_tokens": prompt + written}
    return AIMessage(content=text, usage_metadata=usage, **fields)


def calls(name: str, identity: str, **arguments: Any) -> AIMessage:
    """A message that calls a tool."""
    return says("", tool_calls=[{"type": "tool_call", "name": name, "args": arguments, "id": identity}])
