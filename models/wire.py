"""The chat-completions dialect: a `Request` as a body, a body as choices and counted tokens.

Pure functions over bytes and dictionaries, used by the client and by nothing that knows of connections.
"""

from __future__ import annotations

import json
from typing import Any

from reflectree.models import fallback
from reflectree.models.base import Capabilities, Choice, Finish, Request
from reflectree.models.servers import Server
from reflectree.rlm_ops.errors import TransientModelError

MOST_TOP_LOGPROBS = 20
PREAMBLE_TOKENS = 160
"""Tokens that chat templates add unasked (default system texts, dates), as far as is known."""
TURN_TOKENS = 16
"""Most tokens that mark the beginning and end of a turn."""

_LEAST = Capabilities(prefill=False, json_schema=False)

_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filter",
    "safety": "filter",
    "tool_calls": "tool",
    "function_call": "tool",
}


class Malformed(TransientModelError):
    """A body that is not the reply it claims to be: cut off, not JSON, or of another shape."""


def write_body(request: Request, model: str, server: Server, max_tokens_field: str, extra: dict[str, Any]) -> bytes:
    """The JSON body for a request that already fits the model's capabilities."""
    body = to_body(request, model)
    body[max_tokens_field] = request.max_tokens
    if request.prefill and server.prefill == "flags":
        body["continue_final_message"] = True
        body["add_generation_prompt"] = False
    if len(request.stop) > server.max_stop:
        body["stop"] = list(request.stop[: server.max_stop])
    body.update(extra)
    return json.dumps(body).encode()


def to_body(request: Request, model: str) -> dict[str, Any]:
    """The fields that every server calls the same: all but the limit on written tokens."""
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    if request.prefill:
        messages.append({"role": "assistant", "content": request.prefill})
    body: dict[str, Any] = {"model": model, "messages": messages}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.n > 1:
        body["n"] = request.n
    if request.top_logprobs:
        body["logprobs"] = True
        if request.top_logprobs > 1:
            body["top_logprobs"] = min(request.top_logprobs, MOST_TOP_LOGPROBS)
    if request.diverse:
        # vLLM and TensorRT-LLM search `n` beams; how they keep them apart is for fields that differ, given as `extra`
        body["use_beam_search"] = True
    if request.json_schema is not None:
        schema = {"name": "reply", "schema": request.json_schema, "strict": is_strict(request.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def is_strict(schema: Any) -> bool:
    """Whether OpenAI can enforce a JSON schema strictly: every object closed, every property required."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if "properties" in schema or schema.get("type") == "object":
        required, properties = schema.get("required", []), schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(required) != set(properties):
            return False
    return all(map(is_strict, schema.values()))


def read_json(body: bytes, where: str) -> dict[str, Any]:
    """The object in `body`.

    Raises:
        Malformed: It is cut off, or not a JSON object.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed(f"{where} sent a malformed body ({len(body)} bytes that are not JSON)") from None
    if not isinstance(data, dict):
        raise Malformed(f"{where} sent a malformed body (JSON, but not an object)")
    return data


def read_choices(data: dict[str, Any], where: str) -> tuple[Choice, ...]:
    """The samples of a reply.

    Raises:
        Malformed: There are none, or they are not of the shape they should be.
    """
    raw = data.get("choices")
    if not isinstance(raw, list) or not raw:
        raise Malformed(f"{where} sent a reply without choices")
    return tuple(_choice(item, where) for item in raw)


def read_usage(data: dict[str, Any]) -> tuple[int, int] | None:
    """Prompt and completion tokens as the provider counts them, hidden reasoning included; None where it does not."""
    usage = data.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if not prompt or completion is None:
        return None
    details = usage.get("completion_tokens_details")
    reasoning = _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None
    # Some providers count reasoning beside the completion instead of within it; the total then tells.
    outside = (_count(usage.get("total_tokens")) or 0) - prompt
    if reasoning and reasoning > completion:
        outside = max(outside, completion + reasoning)
    return prompt, max(completion, outside)


def estimate_completion(request: Request, choices: tuple[Choice, ...], hidden_reasoning: bool) -> int:
    """At least the tokens written, for a provider that does not count them: no token is shorter than a byte.

    What cannot be seen (hidden thought, the stop string, the end mark) is estimated from above too.
    """
    unseen = max((len(word.encode()) for word in request.stop), default=0) + 2
    written = [len((choice.text + choice.reasoning).encode()) + unseen for choice in choices]
    if hidden_reasoning:
        return sum(max(request.max_tokens, size) for size in written)
    return sum(min(request.max_tokens, size) for size in written)


def prompt_bound(request: Request, preamble: int = PREAMBLE_TOKENS) -> int:
    """At least the tokens of the prompt: no token is shorter than a byte, and each turn adds a few marks.

    Args:
        request: The request, as it was before any fall-back: the words of those are counted too.
        preamble: Tokens the server's template adds unasked.
    """
    if request.prefill or request.json_schema is not None:
        request = fallback.adapt(request, _LEAST)
    turns = len(request.messages) + 1
    return sum(len(message.content.encode()) for message in request.messages) + TURN_TOKENS * turns + preamble


def finish_of(reason: object) -> Finish:
    """Why a sample ended, from what providers call it."""
    return _FINISH.get(reason.lower(), "unknown") if isinstance(reason, str) else "unknown"


def read_logprobs(raw: Any) -> tuple[float, ...] | None:
    """The tokens' log-probabilities in the chat form or the older completions form; None rather than a guess."""
    if not isinstance(raw, dict):
        return None
    content = raw.get("content")
    values = [item.get("logprob") for item in content if isinstance(item, dict)] if isinstance(content, list) else None
    values = values or raw.get("token_logprobs")
    if not isinstance(values, list):
        return None
    numbers = tuple(float(value) for value in values if isinstance(value, int | float))
    return numbers if numbers and len(numbers) == len(values) else None


def read_alternatives(raw: Any) -> tuple[tuple[float, ...], ...] | None:
    """For each token the log-probabilities of the best ones at its place, in the forms that `read_logprobs` takes.

    None rather than a guess, also where only some tokens have any.
    """
    if not isinstance(raw, dict):
        return None
    content = raw.get("content")
    if isinstance(content, list) and content:
        places = [item.get("top_logprobs") if isinstance(item, dict) else None for item in content]
    else:
        places = raw.get("top_logprobs") or []
    rows = tuple(map(_alternatives, places)) if isinstance(places, list) else ()
    return rows if rows and all(rows) else None


def _alternatives(place: Any) -> tuple[float, ...]:
    """The log-probabilities at one place: a list of objects, or an object from tokens to numbers."""
    values: list[Any] = []
    if isinstance(place, dict):
        values = list(place.values())
    elif isinstance(place, list):
        values = [item.get("logprob") if isinstance(item, dict) else None for item in place]
    numbers = tuple(float(value) for value in values if isinstance(value, int | float))
    return numbers if len(numbers) == len(values) else ()


def _choice(item: Any, where: str) -> Choice:
    message = item.get("message") if isinstance(item, dict) else None
    if not isinstance(message, dict):
        raise Malformed(f"{where} sent a choice without a message")
    if item.get("finish_reason") == "error":
        raise Malformed(f"{where} broke off while writing")
    return Choice(
        text=_text(message.get("content"), where),
        finish="filter" if message.get("refusal") else finish_of(item.get("finish_reason")),
        token_logprobs=read_logprobs(item.get("logprobs")),
        reasoning=_reasoning(message),
        alternatives=read_alternatives(item.get("logprobs")),
    )


def _text(content: Any, where: str) -> str:
    """The text of a message: a string, nothing, or a list of parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(part["text"] for part in content if isinstance(part.get("text"), str))
    raise Malformed(f"{where} sent a message whose content is no text")


def _reasoning(message: dict[str, Any]) -> str:
    thought = message.get("reasoning_content") or message.get("reasoning")
    return thought if isinstance(thought, str) else ""


def _count(value: Any) -> int | None:
    # a number that no store can hold is no count
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
