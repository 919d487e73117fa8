"""Searches as pieces of a LangChain chain: `answerer` from a prompt to a text, `reasoner` from messages to a message.

They are Runnables with everything that brings (`batch`, `ainvoke`, `with_retry`, `|`), and a search run by one is a
child of the chain's run. A chain that expects a chat model is given `ReasoningChatModel`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig

from reflectree.graphs import blueprints
from reflectree.graphs.adapters.conversation import words_of
from reflectree.graphs.adapters.replying import Replied, areply
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models import background
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ReflectreeError
from reflectree.rlm_ops.task import Task


class Answerer(Runnable[Any, str]):
    """From a question (a text, a prompt, messages, or a `Task`) to the answer's text.

    Of one turn the answer is what `solve` gives; a conversation of several turns is answered in free text.
    """

    def __init__(self, blueprint: Any = "best-of-n", policy: Any = "embedded", **options: Any) -> None:
        """Take what `asolve` takes.

        Raises:
            BadInput: There is no such blueprint or model.
        """
        self._plan = blueprints.load(blueprint)
        self._policy = policy
        self._options = options
        _check(policy)
        self.name = f"reflectree:{self._plan.name}"

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """The answer."""
        return self._call_with_config(lambda asked: background.run(self._answer(asked, kwargs)), input, config)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """The answer.

        Raises:
            BudgetRefused: The budget ended before an answer.
            ReflectreeError: The search found none, or what `asolve` raises.
        """

        async def work(asked: Any) -> str:
            return await self._answer(asked, kwargs)

        return await self._acall_with_config(work, input, config)

    async def _answer(self, asked: Any, bound: Mapping[str, Any]) -> str:
        options = {"blueprint": self._plan, "policy": self._policy, **self._options, **bound}
        if not isinstance(asked, str | Task) and (messages := messages_of(asked))[1:]:
            replied = await areply(messages, **options)
            answer, result = replied.said.text if replied.finish != "length" else None, replied.result
        else:
            task = asked if isinstance(asked, str | Task) else words_of(messages_of(asked)[0])
            result = await asolve(task, **options)
            answer = result.answer
        if answer is None:
            raise _no_answer(result)
        return answer


class Reasoner(Runnable[Any, AIMessage]):
    """From a conversation (a text, a prompt, messages, or a state with `messages`) to the assistant's next message.

    The message's `usage_metadata` is the bill of the whole search; its `response_metadata` names the run.
    """

    def __init__(self, blueprint: Any = "best-of-n", policy: Any = "embedded", **options: Any) -> None:
        """Take what `areply` takes.

        Raises:
            BadInput: There is no such blueprint or model.
        """
        self._plan = blueprints.load(blueprint)
        self._policy = policy
        self._options = options
        _check(policy)
        self.name = f"reflectree:{self._plan.name}"

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """The message."""
        return self._call_with_config(lambda asked: background.run(self._reply(asked, kwargs)), input, config)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """The message; empty, with finish reason `length`, where the budget ended before an answer."""

        async def work(asked: Any) -> AIMessage:
            return await self._reply(asked, kwargs)

        return await self._acall_with_config(work, input, config)

    async def _reply(self, asked: Any, bound: Mapping[str, Any]) -> AIMessage:
        options = {"blueprint": self._plan, "policy": self._policy, **self._options, **bound}
        return as_message(await areply(messages_of(asked), **options), self._plan.name)


def answerer(blueprint: Any = "best-of-n", policy: Any = "embedded", **options: Any) -> Answerer:
    """The piece of a chain that ends in the answer's text.

    It is used as `prompt | answerer("mcts", "openai/gpt-5-mini")`.

    Args:
        blueprint: The reasoning system, as `asolve` takes it.
        policy: The model, as `asolve` takes it.
        **options: Those of `asolve`: evaluator, judge, budget, concurrency, seed, tools, memory, ...
    """
    return Answerer(blueprint, policy, **options)


def reasoner(blueprint: Any = "best-of-n", policy: Any = "embedded", **options: Any) -> Reasoner:
    """The piece of a chain that gives the next message.

    It is used as `prompt | reasoner("mcts") | StrOutputParser()`.

    Args:
        blueprint: The reasoning system, as `asolve` takes it.
        policy: The model, as `asolve` takes it.
        **options: Those of `areply`: wants, budget, seed, stop, ...
    """
    return Reasoner(blueprint, policy, **options)


def messages_of(given: Any) -> list[BaseMessage]:
    """The conversation a chain hands on.

    Raises:
        BadInput: It is none.
    """
    if isinstance(given, Mapping) and "messages" in given:
        given = given["messages"]
    if isinstance(given, PromptValue):
        given = given.to_messages()
    if isinstance(given, str):
        return [HumanMessage(given)]
    if isinstance(given, BaseMessage):
        return [given]
    if not isinstance(given, Sequence) or not given:
        raise BadInput(f"{type(given).__name__} is no conversation: give a text, a prompt, or a list of messages")
    try:
        return convert_to_messages(given)
    except (ValueError, NotImplementedError, TypeError) as error:
        raise BadInput(f"this is no conversation: {str(error).splitlines()[0]}") from error


def as_message(replied: Replied, blueprint: str) -> AIMessage:
    """A reply as a message."""
    result, usage = replied.result, replied.result.usage
    began = result.trace.began
    about = {"run_id": result.run_id, "score": result.score, "stop_reason": result.stop_reason}
    return AIMessage(
        replied.said.text,
        tool_calls=[
            {"type": "tool_call", "name": call.name, "args": dict(call.arguments), "id": call.id}
            for call in replied.said.tool_calls
        ],
        usage_metadata=UsageMetadata(
            input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, total_tokens=usage.tokens
        ),
        response_metadata={
            "model_name": f"{blueprint}/{began.policy if began else ''}".rstrip("/"),
            "finish_reason": replied.finish,
            "reflectree": {**about, "usage": dataclasses.asdict(usage)},
        },
    )


def _check(policy: Any) -> None:
    """Refuse a name that means no model before a chain is run."""
    if isinstance(policy, str):
        resolve_policy(policy)


def _no_answer(result: Result) -> ReflectreeError:
    cause, _, cap = result.stop_reason.partition(":")
    if cause == "budget":
        return BudgetRefused(cap, f"the budget of {cap} ended before an answer: raise it")
    return ReflectreeError(f"the search found no answer: {result.stop_reason}")


__all__ = ["Answerer", "Reasoner", "answerer", "as_message", "messages_of", "reasoner"]
