"""`SearchMiddleware`: an agent's next message is the best of several, paid once, seen once, kept in the trace."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from pydantic import BaseModel
from tests.support.scripted_chat import ScriptedChat, calls, says

from reflectree.graphs.adapters.messages_agent import from_words, message_of, to_words, vote_key
from reflectree.graphs.adapters.middleware import SearchMiddleware
from reflectree.graphs.result import Result
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, BudgetRefused
from reflectree.rlm_ops.events import Failed, Grown
from reflectree.rlm_ops.step import Path
from reflectree.testing import ScriptedPolicy

QUESTION = {"messages": [HumanMessage("What is the weather in Paris?")]}


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"sun in {city}"


def one_of(*first: AIMessage | Exception, then: str = "It is sunny.") -> ScriptedChat:
    """A model that says each of these in turn, and once a tool has answered, the same words."""

    def script(messages: Sequence[BaseMessage], number: int) -> AIMessage | Exception:
        return says(then) if isinstance(messages[-1], ToolMessage) else first[number % len(first)]

    return ScriptedChat(script=script)


def agent_of(model: ScriptedChat, middleware: SearchMiddleware, *others: AgentMiddleware, **options: Any) -> Any:
    return create_agent(model, [weather], middleware=[middleware, *others], **options)


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_the_call_most_candidates_make_is_made_and_every_candidate_is_paid_once(how: str) -> None:
    results: list[Result] = []
    model = one_of(calls("weather", "1", city="Rome"), calls("weather", "2", city="Paris"),
                   calls("weather", "3", city="paris"), calls("weather", "4", city="Paris"))  # fmt: skip
    agent = agent_of(model, SearchMiddleware(n=4, concurrency=1, on_result=results.append))
    with get_usage_metadata_callback() as counted:
        out = agent.invoke(QUESTION) if how == "sync" else await agent.ainvoke(QUESTION)
    _, called, observed, said = out["messages"]
    assert called.tool_calls == [{"type": "tool_call", "name": "weather", "args": {"city": "Paris"}, "id": "2"}]
    assert (observed.content, observed.tool_call_id, said.content) == ("sun in Paris", "2", "It is sunny.")
    assert called.usage_metadata["output_tokens"] == 5
    assert called.response_metadata["reflectree"]["score"] == 0.5
    assert called.response_metadata["reflectree"]["usage"]["calls"] == 4
    assert len(model.asked) == 8
    assert counted.usage_metadata["scripted-chat"]["input_tokens"] == 80
    assert sum(result.usage.prompt_tokens for result in results) == 80
    assert sum(result.usage.completion_tokens for result in results) == 40


async def test_the_message_is_rebuilt_from_the_trace_alone() -> None:
    results: list[Result] = []
    given = says("Sunny.", response_metadata={"logprobs": [0.5]}, additional_kwargs={"reasoning_content": "hm"})
    agent = agent_of(one_of(given), SearchMiddleware(n=1, on_result=results.append))
    out = await agent.ainvoke(QUESTION)
    [step] = [event for event in results[0].trace if isinstance(event, Grown)]
    [rebuilt] = from_words(step.text, step.note)
    assert rebuilt.content == "Sunny."
    assert rebuilt.additional_kwargs == {"reasoning_content": "hm"}
    assert rebuilt.response_metadata == {"logprobs": [0.5], "model_name": "scripted-chat"}
    assert rebuilt.usage_metadata == given.usage_metadata  # type: ignore[attr-defined]
    assert out["messages"][-1].content == rebuilt.content
    assert from_words(step.text)[0].content == "Sunny."


def test_a_turn_goes_into_words_and_back() -> None:
    reply = AIMessage(
        [{"type": "text", "text": "So:"}], tool_calls=[{"type": "tool_call", "name": "f", "args": {"x": 1}, "id": "7"}]
    )
    turn = [reply, ToolMessage("done", tool_call_id="7")]
    assert from_words(*to_words(turn)) == turn


def test_votes_know_letter_case_of_arguments_and_no_ids() -> None:
    one, same, other = calls("f", "1", q="A"), calls("f", "2", q="A"), calls("f", "3", q="a")
    assert vote_key(one) == vote_key(same)
    assert vote_key(one).lower() != vote_key(other).lower()
    assert vote_key(says("So the answer is 4.")) == "4"
    assert vote_key(says("Hello")) == "Hello"


async def test_a_user_scores_messages() -> None:
    def shortest(path: Path) -> float:
        return 1 / (1 + len(str(message_of(path).text)))

    model = one_of(says("It is, all in all, sunny."), says("Sun."), says("Sunny today."))
    agent = agent_of(model, SearchMiddleware("best-of-n", n=3, concurrency=1, evaluator=shortest))
    assert (await agent.ainvoke(QUESTION))["messages"][-1].content == "Sun."


async def test_a_judge_scores_messages_and_is_on_the_bill() -> None:
    results: list[Result] = []
    judge = ScriptedPolicy(
        lambda request, index: json.dumps({"score": 9 if "Sun." in request.messages[-1].content else 2, "reason": ""})
    )
    model = one_of(says("Rain."), says("Sun."))
    middleware = SearchMiddleware("best-of-n", n=2, concurrency=1, judge=judge, on_result=results.append)
    agent = agent_of(model, middleware)
    assert (await agent.ainvoke(QUESTION))["messages"][-1].content == "Sun."
    assert results[0].usage.calls == 4
    assert len(judge.requests) == 2


async def test_calls_of_tools_not_offered_and_calls_that_cannot_be_read_are_out() -> None:
    results: list[Result] = []
    broken = says("", invalid_tool_calls=[{"name": "weather", "args": "{", "id": "1", "error": None}])
    model = one_of(calls("nuke", "1"), broken, says(" "), calls("weather", "4", city="Paris"))
    agent = agent_of(model, SearchMiddleware(n=4, concurrency=1, on_result=results.append))
    out = await agent.ainvoke(QUESTION)
    assert out["messages"][1].tool_calls[0]["id"] == "4"
    reasons = [event.reason for event in results[0].trace if isinstance(event, Failed)]
    assert reasons == [
        "it calls 'nuke', which is no tool it was offered",
        "the call of weather cannot be read",
        "the reply is empty",
    ]


async def test_one_that_raises_fails_alone_and_where_all_raise_the_last_error_is_raised() -> None:
    agent = agent_of(one_of(ValueError("first"), says("Sunny.")), SearchMiddleware(n=2, concurrency=1))
    assert (await agent.ainvoke(QUESTION))["messages"][-1].content == "Sunny."
    agent = agent_of(one_of(ValueError("first"), ValueError("second")), SearchMiddleware(n=2, concurrency=1))
    with pytest.raises(ValueError, match="second"):
        await agent.ainvoke(QUESTION)


async def test_where_no_reply_can_be_used_the_agent_gets_the_last_as_it_would_without_a_search() -> None:
    def script(messages: Sequence[BaseMessage], number: int) -> AIMessage:
        return says("Sorry.") if isinstance(messages[-1], ToolMessage) else calls("nuke", str(number))

    agent = agent_of(ScriptedChat(script=script), SearchMiddleware(n=2, concurrency=1))
    _, called, observed, said = (await agent.ainvoke(QUESTION))["messages"]
    assert called.tool_calls[0]["name"] == "nuke"
    assert "not a valid tool" in observed.content
    assert said.content == "Sorry."


async def test_a_budget_caps_each_search() -> None:
    model = one_of(says("Sunny."))
    agent = agent_of(model, SearchMiddleware(n=8, concurrency=8, budget=Budget(calls=3)))
    assert (await agent.ainvoke(QUESTION))["messages"][-1].content == "Sunny."
    assert len(model.asked) == 3
    with pytest.raises(BudgetRefused, match="allows no candidate"):
        await agent_of(model, SearchMiddleware(budget=Budget(calls=0))).ainvoke(QUESTION)


async def test_tokens_are_reserved_with_the_room_the_model_has() -> None:
    model = one_of(says("Sunny.", written=50))
    model.max_tokens = 50
    agent = agent_of(model, SearchMiddleware(n=8, concurrency=8, budget=Budget(tokens=1000)))
    await agent.ainvoke(QUESTION)
    assert 0 < len(model.asked) <= 1000 // 50


async def test_there_is_a_search_only_when_it_is_wanted() -> None:
    model = one_of(calls("weather", "1", city="Paris"))
    middleware = SearchMiddleware(n=3, when=lambda request: not isinstance(request.messages[-1], ToolMessage))
    agent = agent_of(model, middleware)
    assert (await agent.ainvoke(QUESTION))["messages"][-1].content == "It is sunny."
    assert len(model.asked) == 4
    agent.invoke(QUESTION)
    assert len(model.asked) == 8


async def test_candidates_have_settings_of_their_own() -> None:
    model = one_of(says("Sunny."))
    await agent_of(model, SearchMiddleware(n=2, settings={"top_p": 0.9})).ainvoke(QUESTION)
    assert [settings["top_p"] for settings in model.settings] == [0.9, 0.9]


class Slow(AgentMiddleware[Any, Any, Any]):
    """Never comes to an end, and says when it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.tools = []
        self.begun = self.cancelled = 0
        self.three = asyncio.Event()

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        self.begun += 1
        if self.begun == 3:
            self.three.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def test_cancelling_the_agent_cancels_every_candidate() -> None:
    slow = Slow()
    agent = agent_of(one_of(says("Sunny.")), SearchMiddleware(n=4, concurrency=3), slow)
    running = asyncio.create_task(agent.ainvoke(QUESTION))
    await slow.three.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0)
    assert (slow.begun, slow.cancelled) == (3, 3)


async def test_the_clock_of_the_budget_cuts_slow_candidates() -> None:
    slow = Slow()
    agent = agent_of(one_of(says("Sunny.")), SearchMiddleware(n=2, budget=Budget(seconds=0.5)), slow)
    with pytest.raises(BudgetRefused, match="budget of seconds"):
        await agent.ainvoke(QUESTION)
    assert slow.cancelled == 2


class Weather(BaseModel):
    """The weather."""

    sky: str
    degrees: int


async def test_a_structured_response_comes_with_the_message_chosen() -> None:
    def said(identity: str, **fields: Any) -> AIMessage:
        return calls("Weather", identity, **fields)

    model = one_of(said("1", sky="blue", degrees="many"), said("2", sky="blue", degrees=20),
                   said("3", sky="grey", degrees=9), said("4", sky="blue", degrees=20))  # fmt: skip
    results: list[Result] = []
    middleware = SearchMiddleware(n=4, concurrency=1, on_result=results.append)
    agent = agent_of(model, middleware, response_format=ToolStrategy(Weather))
    out = await agent.ainvoke(QUESTION)
    assert out["structured_response"] == Weather(sky="blue", degrees=20)
    assert [message.type for message in out["messages"]] == ["human", "ai", "tool"]
    [failed] = [event for event in results[0].trace if isinstance(event, Failed)]
    assert failed.reason.startswith("its structured response is not valid")


async def test_only_the_chosen_message_is_streamed() -> None:
    agent = agent_of(one_of(says("Sunny."), says("Rain."), says("Sunny.")), SearchMiddleware(n=3, concurrency=1))
    for subgraphs in (False, True):
        parts = [
            part async for part in agent.astream(QUESTION, stream_mode="messages", subgraphs=subgraphs, version="v2")
        ]
        assert [part["data"][0].content for part in parts] == ["Sunny."]


class Careful(AgentMiddleware[Any, Any, Any]):
    """Asks before each model call, inside the search."""

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        interrupt("May I?")
        return await handler(request)


async def test_other_middleware_may_interrupt_the_agent_within_a_candidate() -> None:
    model = one_of(says("Sunny."))
    agent = agent_of(model, SearchMiddleware(n=1), Careful(), checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    out = await agent.ainvoke(QUESTION, thread)
    assert out["__interrupt__"][0].value == "May I?"
    assert not model.asked
    out = await agent.ainvoke(Command(resume="yes"), thread)
    assert out["messages"][-1].content == "Sunny."
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"blueprint": "mcts"}, "cannot search over messages: it builds on steps"),
        ({"blueprint": "mctsr"}, "cannot search over messages: it asks for refine"),
        ({"blueprint": "cot", "n": 3}, "strategy cot of blueprint cot has no n"),
        ({"blueprint": "best-off-n"}, "best-of-n"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(options: dict[str, Any], line: str) -> None:
    with pytest.raises(BadInput, match=line) as refused:
        SearchMiddleware(**options)
    assert "\n" not in str(refused.value)


def test_without_langchain_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['langchain'] = None\n"
        "from reflectree.rlm_ops.errors import MissingExtra\n"
        "try:\n    import reflectree.graphs.adapters.middleware\n"
        "except MissingExtra as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'reflectree[langchain]'" in done.stdout, done.stderr
