"""Whole chat messages as candidates of a search: the agent that proposes them, and their form in the trace.

A message is kept as canonical JSON: what it says and which tools it calls are the step's text (what a judge reads), the
rest (metadata, further messages) its note, so the chosen message is rebuilt from the trace alone. Its answer, over
which votes are counted, names the tool calls without their ids, or is what the text states. Where messages come from
is not known here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, message_to_dict, messages_from_dict
from langgraph.errors import GraphBubbleUp

from reflectree.agents.base import AgentRun
from reflectree.models import wire
from reflectree.rlm_ops.answers import extract_answer
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.events import Event, Failed, Grown
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import Usage

Key = Callable[[AIMessage], str]
"""What a message is counted as in a vote."""
ONE_CALL = Usage(1)
_LOCAL_IDS = ("lc_run-", "run-")
"""Ids that LangChain gave and no provider: another run of the same replies would have others."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a model's turn came to.

    Attributes:
        messages: The messages of the turn; the first `AIMessage` is the reply.
        structured: The structured response read from it, where one was asked for.
        problem: Why it cannot be used; "" if it can.
        usage: What it cost.
    """

    messages: tuple[BaseMessage, ...]
    structured: Any = None
    problem: str = ""
    usage: Usage = ONE_CALL


class MessageGenerator:
    """Carries out *generate* at the root: each call is one proposal.

    Args:
        propose: Makes a proposal.
        most: The most tokens and dollars that one costs: what is reserved before it.
        key: What a message is counted as in a vote.

    Attributes:
        last: What came of the latest proposal that cannot be chosen: what it raised, or the proposal itself.
        pause: What interrupted the host's graph within a proposal, which is no failure.
    """

    name = "generator"
    op: Operator = "generate"
    local = False

    def __init__(
        self, propose: Callable[[Call], Awaitable[Proposal]], most: tuple[int, float], key: Key | None = None
    ) -> None:
        self._propose = propose
        self._most = most
        self._key = key or vote_key
        self._structured: dict[int, Any] = {}
        self.last: Exception | Proposal | None = None
        self.pause: GraphBubbleUp | None = None

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each call alone."""
        return [[call] for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local: it is always waited for."""
        raise TypeError("a MessageGenerator is not local: await carry_out")

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One proposal a call.

        Raises:
            BudgetRefused: The budget does not allow it; nothing was sent.
        """
        return [await self._one(call, run) for call in calls]

    async def _one(self, call: Call, run: AgentRun) -> Event:
        if self.pause is not None:
            return _failed(call, "the graph was interrupted", Usage())
        tokens, usd = self._most
        reservation = run.ledger.reserve(tokens, usd)
        usage = Usage(1, 1)
        try:
            proposal = await self._propose(call)
            usage = proposal.usage
        except GraphBubbleUp as pause:
            self.pause = pause
            return _failed(call, "the graph was interrupted", usage)
        except Exception as error:  # the boundary to the host's model and middleware: it fails its candidate alone
            self.last = error
            return _failed(call, f"{type(error).__name__}: {error}", usage)
        finally:
            run.ledger.settle(reservation, usage)
        if proposal.problem:
            self.last = proposal
            return _failed(call, proposal.problem, Usage(usage.calls, usage.calls, *_tokens(usage)))
        self._structured[call.index] = proposal.structured
        return self._grown(call, proposal)

    def _grown(self, call: Call, proposal: Proposal) -> Grown:
        message = reply_of(proposal.messages)
        text, note = to_words(proposal.messages)
        return Grown(
            nodes=call.nodes,
            index=call.index,
            text=text,
            granularity="solution",
            status="terminal",
            answer=self._key(message),
            how=call.how,
            note=note,
            usage=proposal.usage,
        )

    def structured(self, index: int) -> Any:
        """The structured response of a call's proposal, as the host's own code read it."""
        return self._structured.get(index)


def problem_of(messages: Sequence[BaseMessage], offered: Collection[str]) -> str:
    """Why a turn cannot be used; "" if it can.

    Args:
        messages: The turn.
        offered: The names of the tools that may be called.
    """
    replies = [message for message in messages if isinstance(message, AIMessage)]
    if not replies:
        return "the model gave no reply"
    message = replies[0]
    if message.invalid_tool_calls:
        return f"the call of {message.invalid_tool_calls[0].get('name') or 'a tool'} cannot be read"
    unknown = next((call["name"] for call in message.tool_calls if call["name"] not in offered), None)
    if unknown is not None:
        return f"it calls {unknown!r}, which is no tool it was offered"
    metadata = message.response_metadata
    finish = wire.finish_of(metadata.get("finish_reason") or metadata.get("stop_reason"))
    if finish == "filter":
        return "the reply was refused by the provider's filter"
    if not message.tool_calls:
        if not str(message.text).strip() and (isinstance(message.content, str) or not message.content):
            return "the reply is empty"
        if finish == "length":
            return "the reply was cut at the most tokens"
    return ""


def vote_key(message: AIMessage) -> str:
    """Names and arguments of the tool calls, in order, ids left out; or the answer that the text states, or the text.

    Calls end with a digest: votes are counted over normalised answers, and letter case matters in an argument.
    """
    if not message.tool_calls:
        text = str(message.text)
        return extract_answer(text) or text
    calls = [f"{call['name']}({_canonical(call['args'])})" for call in message.tool_calls]
    digest = hashlib.sha256("\n".join(calls).encode()).hexdigest()[:12]
    return f"{'; '.join(calls)} #{digest}"


def to_words(messages: Sequence[BaseMessage]) -> tuple[str, str]:
    """The text and the note of the step that a turn becomes."""
    message = reply_of(messages)
    calls = [{"name": call["name"], "arguments": call["args"], "id": call["id"]} for call in message.tool_calls]
    said = {"content": message.content, **({"tool_calls": calls} if calls else {})}
    data = message_to_dict(message)["data"]
    rest = {name: value for name, value in data.items() if value and name not in ("content", "tool_calls", "type")}
    if str(rest.get("id", "")).startswith(_LOCAL_IDS):
        del rest["id"]
    others = [message_to_dict(other) for other in messages if other is not message]
    return _canonical(said), _canonical({"message": rest, **({"others": others} if others else {})})


def from_words(text: str, note: str = "") -> list[BaseMessage]:
    """The turn that a step stands for, the reply first."""
    said, rest = json.loads(text), json.loads(note or "{}")
    calls = [
        {"type": "tool_call", "name": call["name"], "args": call["arguments"], "id": call["id"]}
        for call in said.get("tool_calls", ())
    ]
    data = {**rest.get("message", {}), "content": said["content"], "tool_calls": calls, "type": "ai"}
    return messages_from_dict([{"type": "ai", "data": data}, *rest.get("others", ())])


def message_of(path: Path) -> AIMessage:
    """The message that a path ends with: for an evaluator of messages."""
    return reply_of(from_words(path.steps[-1].text))


def reply_of(messages: Sequence[BaseMessage]) -> AIMessage:
    """The reply among the messages of a turn."""
    return next(message for message in messages if isinstance(message, AIMessage))


def _canonical(value: Any) -> str:
    """JSON with sorted keys; what JSON cannot hold is said in words."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _tokens(usage: Usage) -> tuple[int, int, float | None]:
    return usage.prompt_tokens, usage.completion_tokens, usage.usd


def _failed(call: Call, reason: str, usage: Usage) -> Failed:
    return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=reason, usage=usage)
