"""What a run found, in the shapes of chat completions: the whole at once, and what its parts have in common.

The bill is the whole run's. `reasoning_tokens` are those written by every call but the one whose text holds the answer;
where the trace does not say which call that was, the field is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reflectree.apps.endpoint.requests import Chat
from reflectree.apps.endpoint.running import RunState

if TYPE_CHECKING:
    from reflectree.graphs.adapters.replying import Replied
    from reflectree.graphs.result import Result
    from reflectree.rlm_ops.usage import Usage

RUN = "X-Reflectree-Run"


def completion(replied: Replied, chat: Chat, run_id: str, created: int, thought: Sequence[str] = ()) -> dict[str, Any]:
    """A `chat.completion`.

    Args:
        replied: What was found.
        chat: What was asked.
        run_id: The run's name.
        created: Seconds since 1970.
        thought: The lines of progress.
    """
    said = replied.said
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.tool_calls:
        message["tool_calls"] = tool_calls(replied)
    elif message["content"] is None:
        message["content"] = ""
    if thought:
        message["reasoning_content"] = "\n".join(thought)
    choice = {"index": 0, "message": message, "finish_reason": replied.finish, "logprobs": None}
    return {
        "id": completion_id(run_id),
        "object": "chat.completion",
        "created": created,
        "model": chat.model,
        "choices": [choice],
        "usage": usage(replied.result),
        "reflectree": report(replied.result),
    }


def completion_id(run_id: str) -> str:
    """The id of a reply."""
    return f"chatcmpl-{run_id}"


def tool_calls(replied: Replied) -> list[dict[str, Any]]:
    """The calls of a reply, their arguments as JSON text."""
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": _json(call.arguments)},
        }
        for call in replied.said.tool_calls
    ]


def _json(value: Any) -> str:
    """JSON that can be sent: in a model's own, half of a surrogate pair may be written, which no UTF-8 can hold."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def usage(result: Result) -> dict[str, Any]:
    """The bill in OpenAI's words."""
    bill = result.usage
    told: dict[str, Any] = {
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        "total_tokens": bill.tokens,
    }
    answering = _answering_tokens(result)
    if answering is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": max(0, bill.completion_tokens - answering)}
    return told


def report(result: Result) -> dict[str, Any]:
    """What OpenAI's form has no place for."""
    return {
        "run_id": result.run_id,
        "stop_reason": result.stop_reason,
        "score": result.score,
        "nodes": result.nodes,
        "calls": result.usage.calls,
        "usd": result.usage.usd,
    }


def headers_of(result: Result, run_id: str) -> dict[str, str]:
    """The same in headers; what is not known is left out."""
    bill: Usage = result.usage
    told = {RUN: run_id, "X-Reflectree-Stop-Reason": _plain(result.stop_reason), "X-Reflectree-Calls": str(bill.calls)}
    if result.score is not None:
        told["X-Reflectree-Score"] = f"{result.score:.6g}"
    if bill.usd is not None:
        told["X-Reflectree-Usd"] = f"{bill.usd:.6g}"
    return told


def run_of(state: RunState) -> dict[str, Any]:
    """A run, as `GET /v1/runs/ID` tells of it."""
    from reflectree.apps.endpoint.errors import api_error
    from reflectree.models.http.errors import error_body

    told: dict[str, Any] = {
        "id": state.run_id,
        "object": "reflectree.run",
        "created": state.created,
        "model": state.model,
        "status": state.state,
    }
    if state.replied is not None:
        said = state.replied.said
        message: dict[str, Any] = {"role": "assistant", "content": said.text}
        if said.tool_calls:
            message["tool_calls"] = tool_calls(state.replied)
        told["message"] = message
        told["finish_reason"] = state.replied.finish
        told["usage"] = usage(state.replied.result)
        told["reflectree"] = report(state.replied.result)
    if state.error is not None:
        told |= error_body(api_error(state.error))
    return told


def _answering_tokens(result: Result) -> int | None:
    """The tokens of the call whose text holds the answer."""
    answered = result.trace.answered
    if answered is None or answered.node < 0:
        return None
    for row in result.trace.rows:
        if row.get("node") == answered.node and "text" in row and "usage" in row:
            written = row["usage"][3]
            return int(written) if written else None
    return None


def _plain(text: str) -> str:
    """Text that a header can hold."""
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text)[:200]
