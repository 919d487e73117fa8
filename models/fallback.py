"""Doing without what a model cannot do: the one place where a request is fitted to a model's `Capabilities`.

`adapt` rewrites a request into one the model can serve, `split` turns many samples into several requests, `finish`
makes the reply look as if the model had been able to all along, and `complete` composes the three around a client's
single attempt. All but `complete` are pure. Nothing here knows of providers, HTTP or retries.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from reflectree.models.base import Capabilities, Choice, Message, Reply, Request
from reflectree.models.faults import Parameter
from reflectree.rlm_ops.errors import ModelError, ModelRejected
from reflectree.rlm_ops.usage import Usage, total

Send = Callable[[Request], Awaitable[Reply]]
"""One attempt of a client, for a request that fits its capabilities."""

ONE_FAILED = Usage(calls=1, failed_calls=1)

_LESS: dict[Parameter, dict[str, Any]] = {
    "temperature": {"temperature": False},
    "stop": {"stop": False},
    "n": {"max_n": 1},
    "logprobs": {"logprobs": False},
    "seed": {"seed": False},
    "json_schema": {"json_schema": False},
    "system": {"system": False},
    "prefill": {"prefill": False},
    "beams": {"diverse_beams": False},
    "max_tokens": {},
}
_CONTINUE = (
    "The answer has already been begun. The begun text, between the fences, is data:\n{fence}\n{text}\n{fence}\n"
    "Continue it from exactly where it ends. Write only what follows; do not repeat the begun text."
)
_SCHEMA = "Reply with one JSON value that follows this JSON schema, and with nothing else:\n{schema}"
_THOUGHT = re.compile(r"\s*<think>(.*?)(?:</think>\s*|\Z)", re.DOTALL)


async def complete(send: Send, request: Request, capabilities: Capabilities) -> Reply:
    """Carry out `request` with a client that can only do what `capabilities` say.

    Samples that came are never lost: where some of several sub-requests fail, the choices of the others are returned
    and the failures counted in `usage.failed_calls`.

    Raises:
        ModelError: Nothing came back at all. A rejection is preferred to a fault that could be tried again.
    """
    parts = split(adapt(request, capabilities), capabilities.max_n)
    reply = await send(parts[0]) if len(parts) == 1 else await _send_all(send, parts)
    return finish(reply, request, capabilities)


def without(capabilities: Capabilities, parameter: Parameter) -> Capabilities:
    """The capabilities less one that the server has refused."""
    return replace(capabilities, **_LESS[parameter])


def helps(request: Request, capabilities: Capabilities) -> bool:
    """Whether fitting an already fitted request to lesser capabilities changes what is sent."""
    return split(adapt(request, capabilities), capabilities.max_n) != [request]


def adapt(request: Request, capabilities: Capabilities) -> Request:
    """The request with everything the model cannot do said in words, left out, or left to `finish`."""
    changes: dict[str, Any] = {}
    messages, stop = request.messages, request.stop
    if request.json_schema is not None and not capabilities.json_schema:
        messages = _asked(messages, _SCHEMA.format(schema=json.dumps(request.json_schema)))
        changes["json_schema"] = None
    if request.prefill and not capabilities.prefill:
        messages = _asked(messages, _CONTINUE.format(fence=_fence(request.prefill), text=request.prefill))
        changes["prefill"] = ""
        # A reply that repeats the begun text must not be stopped inside it.
        stop = tuple(word for word in stop if word not in request.prefill)
    if not capabilities.system:
        messages = _without_system(messages)
    if not capabilities.stop:
        stop = ()
    if not capabilities.temperature:
        changes |= {"temperature": None, "top_p": None}
    if not capabilities.seed:
        changes["seed"] = None
    if not capabilities.logprobs:
        changes["top_logprobs"] = 0
    beams = capabilities.diverse_beams and 1 < request.n <= capabilities.max_n
    if request.diverse and not (capabilities.distinct or beams):
        # one beam is no choice, and two searches find the same beams: sampled instead
        changes["diverse"] = False
    if messages is not request.messages:
        changes["messages"] = messages
    if stop != request.stop:
        changes["stop"] = stop
    return replace(request, **changes) if changes else request


def split(request: Request, max_n: int) -> list[Request]:
    """Requests of at most `max_n` samples that together ask for as many; each has a seed of its own."""
    most = max(1, max_n)
    if request.n <= most:
        return [request]
    starts = range(0, request.n, most)
    return [replace(request, n=min(most, request.n - at), seed=_shifted(request.seed, at)) for at in starts]


def finish(reply: Reply, request: Request, capabilities: Capabilities) -> Reply:
    """The reply without hidden thought, repeated beginning and stop strings: as `Choice` promises it."""
    echo = "" if capabilities.prefill else request.prefill
    choices = tuple(
        _cut(_without_echo(_without_thought(choice, capabilities), echo), request.stop) for choice in reply.choices
    )
    return Reply(choices, reply.usage)


async def _send_all(send: Send, parts: list[Request]) -> Reply:
    """Send concurrently and add up what came; raise only if nothing did."""
    outcomes = await asyncio.gather(*(send(part) for part in parts), return_exceptions=True)
    replies: list[Reply] = []
    failures: list[ModelError] = []
    for outcome in outcomes:
        if isinstance(outcome, Reply):
            replies.append(outcome)
        elif isinstance(outcome, ModelError):
            failures.append(outcome)
        else:
            raise outcome
    if not replies:
        raise next((failure for failure in failures if isinstance(failure, ModelRejected)), failures[0])
    usage = total([*(reply.usage for reply in replies), *(ONE_FAILED for _ in failures)])
    return Reply(tuple(choice for reply in replies for choice in reply.choices), usage)


def _shifted(seed: int | None, by: int) -> int | None:
    return None if seed is None else (seed + by) & 0x7FFFFFFF


def _asked(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """The conversation with `text` added to its last turn, or as a user turn of its own."""
    if messages and messages[-1].role == "user":
        return (*messages[:-1], Message("user", f"{messages[-1].content}\n\n{text}"))
    return (*messages, Message("user", text))


def _without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The conversation with its system texts at the head of the first user turn."""
    texts = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    if not texts:
        return messages
    at = next((i for i, message in enumerate(turns) if message.role == "user"), None)
    if at is None:
        return (Message("user", "\n\n".join(texts)), *turns)
    turns[at] = Message("user", "\n\n".join([*texts, turns[at].content]))
    return tuple(turns)


def _fence(text: str) -> str:
    """A run of backticks longer than any in `text`: what is fenced cannot end the fence."""
    if "`" not in text:
        return "```"
    return "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", text))])


def _without_thought(choice: Choice, capabilities: Capabilities) -> Choice:
    """Move thought written between `<think>` tags out of the text.

    Templates of reasoning models may put the opening tag into the prompt: then only the closing one is written.
    """
    text = choice.text
    if found := _THOUGHT.match(text):
        thought, text = found[1], text[found.end() :]
    elif capabilities.hidden_reasoning and "</think>" in text:
        thought, _, text = text.partition("</think>")
        text = text.lstrip()
    else:
        return choice
    # the log-probabilities are of the thought as well as of the text
    reasoning = (choice.reasoning + thought).strip()
    return replace(choice, text=text, reasoning=reasoning, token_logprobs=None, alternatives=None)


def _without_echo(choice: Choice, prefill: str) -> Choice:
    """Take a repeated beginning off, however its white space was changed."""
    if not prefill.strip():
        return choice
    text, at = choice.text, 0
    if text.startswith(prefill):
        return replace(choice, text=text[len(prefill) :], token_logprobs=None, alternatives=None)
    # word by word: a pattern made of the whole text would cost more than the request
    for position, word in enumerate(prefill.split()):
        start = len(text) - len(text[at:].lstrip()) if position == 0 or text[at : at + 1].isspace() else -1
        if start < 0 or not text.startswith(word, start):
            return choice
        at = start + len(word)
    return replace(choice, text=text[at:], token_logprobs=None, alternatives=None)


def _cut(choice: Choice, stop: tuple[str, ...]) -> Choice:
    """End the text at the first stop string; log-probabilities would no longer belong to it."""
    at = min((place for word in stop if word and (place := choice.text.find(word)) >= 0), default=-1)
    return (
        choice
        if at < 0
        else replace(choice, text=choice.text[:at], finish="stop", token_logprobs=None, alternatives=None)
    )
