"""A reply to a conversation: one run, and its answer as a message. What every chat interface of ours stands on.

It knows of conversations and of runs; of no protocol, and of no client.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import BaseMessage

from reflectree.agents.completing import ENDED
from reflectree.graphs import blueprints
from reflectree.graphs.adapters.conversation import asked
from reflectree.graphs.adapters.wants import Said, Unreadable, Wants, problem_of, said
from reflectree.graphs.answering import candidates
from reflectree.graphs.live import OnEvent
from reflectree.graphs.result import Result
from reflectree.graphs.run import Checkpoint, asolve
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.selection import METHODS, select
from reflectree.rlm_ops.structure import fold

Finish = Literal["stop", "tool_calls", "length"]
NOTHING = Wants()


@dataclass(frozen=True, slots=True)
class Replied:
    """A reply.

    Attributes:
        said: Its words and calls; empty where the budget ended before there were any.
        result: The run.
        finish: Why it ended: `length` where the budget ended before an answer.
    """

    said: Said
    result: Result
    finish: Finish


async def areply(
    messages: Sequence[BaseMessage],
    *,
    wants: Wants = NOTHING,
    blueprint: Any = "best-of-n",
    policy: Any = "embedded",
    budget: Budget | None = None,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    run_id: str | None = None,
    on_event: OnEvent | None = None,
    memory: Any = None,
    stop: Sequence[str] = (),
    temperature: float | None = None,
    max_tokens: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 (of one request to the model, not of this call)
    **options: Any,
) -> Replied:
    """Reason about a conversation's last user turn, and reply.

    Args:
        messages: The conversation, oldest first.
        wants: What the reply may be: words, calls of tools, JSON.
        blueprint: The reasoning system, as `asolve` takes it.
        policy: The model, as `asolve` takes it.
        budget: Hard caps.
        seed: Seed of all sampling.
        checkpoint: Makes the run resumable: the same conversation under the same `run_id` goes on with it.
        run_id: The run's name.
        on_event: Called with each event and the structure after it; `progress.line_of` puts them in words.
        memory: What the run recalls from and learns into.
        stop: Strings that end the reply's words; they are not part of them.
        temperature: Sampling temperature of what writes, in place of the blueprint's.
        max_tokens: Most tokens a sample may write, in place of the blueprint's.
        timeout: Seconds after which a request to the model is cut, in place of the blueprint's.
        **options: Anything else that `asolve` takes.

    Returns:
        The reply, with `finish="length"` and nothing said where the budget ended before an answer.

    Raises:
        BadInput: The conversation, a schema or an option cannot work. Nothing was paid.
        Unreadable: The run ended, and none of its answers is of a form that is wanted.
        ModelError: The model cannot be reached or refuses, and there is no answer yet.
    """
    task = asked(messages, wants)
    plan = tuned(blueprints.load(blueprint), temperature=temperature, max_tokens=max_tokens, timeout=timeout)
    if wants:
        options.setdefault("wanted", lambda answer: problem_of(answer, wants))
    result = await asolve(
        task,
        blueprint=plan,
        policy=policy,
        budget=budget,
        seed=seed,
        checkpoint=checkpoint,
        run_id=run_id or uuid.uuid4().hex[:12],
        on_event=on_event,
        memory=memory,
        **options,
    )
    return replied(result, wants, stop)


def replied(result: Result, wants: Wants = NOTHING, stop: Sequence[str] = ()) -> Replied:
    """The reply that a run ended with.

    Raises:
        Unreadable: None of its answers is of a form that is wanted.
    """
    answer = _answer(result, wants)
    if answer is None:
        reasons = [event.reason for event in result.trace.events if isinstance(event, Failed)]
        if result.stop_reason.startswith("budget:") or any(reason.startswith(ENDED) for reason in reasons):
            return Replied(Said(""), result, "length")
        raise Unreadable(f"no usable answer ({result.stop_reason}): {(reasons or ['the search found none'])[-1]}")
    words = said(answer, wants, result.run_id)
    if words.tool_calls:
        return Replied(words, result, "tool_calls")
    return Replied(Said(_stopped(words.text, stop)), result, "stop")


def tuned(
    blueprint: Blueprint,
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    timeout: float | None = None,
) -> Blueprint:
    """The blueprint with a caller's sampling settings, for what writes; its variants keep their own.

    Raises:
        BadInput: A setting cannot be.
    """
    wanted = {"temperature": temperature, "max_tokens": max_tokens, "timeout": timeout}
    changed = {name: value for name, value in wanted.items() if value is not None}
    if not changed:
        return blueprint
    data = blueprint.model_dump(mode="json")
    data["operators"]["generate"] |= changed
    if timeout is not None:
        for name in ("evaluate", "refine", "aggregate"):
            data["operators"][name]["timeout"] = timeout
    return Blueprint.parse(data)


def _answer(result: Result, wants: Wants) -> str | None:
    """The selected answer, or the best of the others by the same method where that one is not wanted."""
    if result.answer is None or not wants or problem_of(result.answer, wants) is None:
        return result.answer
    structure = fold(result.trace.events)
    fits = [candidate for candidate in candidates(structure) if problem_of(candidate.answer, wants) is None]
    answered = result.trace.answered
    method = answered.selection if answered is not None and answered.selection in METHODS else "value"
    chosen = select(method, fits)
    if chosen is None:
        raise Unreadable(f"no usable answer: {problem_of(result.answer, wants)}")
    return chosen.answer


def _stopped(text: str, stop: Sequence[str]) -> str:
    """Text up to the first of the strings."""
    ends = [at for word in stop if word and (at := text.find(word)) >= 0]
    return text[: min(ends)] if ends else text
