"""A reply as LangChain messages: whole, or as the chunks of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from reflectree.graphs.adapters.replying import Replied

_AFTER_WORDS = 2
"""Index of the first call in a stream: LangChain numbers thought and words as blocks 0 and 1, and merges by number."""


def message_of(reply: Replied, model: str) -> AIMessage:
    """The message of a reply, with the bill of the whole run under our own model's name."""
    calls = [tool_call(id=call.id, name=call.name, args=call.arguments) for call in reply.said.tool_calls]
    return AIMessage(
        content=reply.said.text,
        tool_calls=calls,
        usage_metadata=usage_of(reply),
        response_metadata=metadata_of(reply, model),
    )


def chunks_of(reply: Replied, model: str) -> Iterator[ChatGenerationChunk]:
    """The same in chunks: the words, the calls, and last what is known of the whole."""
    if reply.said.text:
        yield ChatGenerationChunk(message=AIMessageChunk(content=reply.said.text))
    if reply.said.tool_calls:
        calls = [
            tool_call_chunk(id=call.id, name=call.name, args=json.dumps(call.arguments), index=position)
            for position, call in enumerate(reply.said.tool_calls, _AFTER_WORDS)
        ]
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=calls))
    yield ChatGenerationChunk(
        message=AIMessageChunk(
            content="",
            usage_metadata=usage_of(reply),
            response_metadata=metadata_of(reply, model),
            chunk_position="last",
        )
    )


def progress_chunk(line: str) -> ChatGenerationChunk:
    """A line of progress, where clients look for the thought of reasoning models."""
    return ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs={"reasoning_content": f"{line}\n"}))


def usage_of(reply: Replied) -> UsageMetadata:
    """The tokens of all calls of the run."""
    usage = reply.result.usage
    return UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )


def metadata_of(reply: Replied, model: str) -> dict[str, Any]:
    """What else is known of the run, as JSON values."""
    result = reply.result
    return {
        "model_name": model,
        "finish_reason": reply.finish,
        "stop_reason": result.stop_reason,
        "run_id": result.run_id,
        "score": result.score,
        "nodes": result.nodes,
        "calls": result.usage.calls,
        "failed_calls": result.usage.failed_calls,
        "usd": result.usage.usd,
    }
