"""Searches as pieces of a chain."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from tests.support.scripted_chat import ScriptedChat, says

from reflectree.graphs.adapters.runnables import answerer, messages_of, reasoner
from reflectree.models.base import Request
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, BudgetRefused
from reflectree.rlm_ops.task import Task
from reflectree.testing import ScriptedPolicy

PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "What is {a} times {b}?")])


def product(request: Request, index: int) -> str:
    words = request.messages[-1].content.replace("?", " ").split()
    at = words.index("times")
    return f"Answer: {int(words[at - 1]) * int(words[at + 1])}"


def policy() -> ScriptedPolicy:
    return ScriptedPolicy(product)


@pytest.mark.parametrize("how", ["sync", "async"])
async def test_a_chain_ends_in_a_text(how: str) -> None:
    chain = PROMPT | reasoner("self-consistency", policy()) | StrOutputParser()
    asked = {"a": 6, "b": 7}
    assert (chain.invoke(asked) if how == "sync" else await chain.ainvoke(asked)) == "42"
    plain = PromptTemplate.from_template("What is {a} times {b}?") | answerer("cot", policy())
    assert (plain.invoke(asked) if how == "sync" else await plain.ainvoke(asked)) == "42"
    system = PROMPT | answerer("cot", policy())
    assert (system.invoke(asked) if how == "sync" else await system.ainvoke(asked)) == "42"


async def test_what_comes_out_says_what_it_cost() -> None:
    message = await reasoner("self-consistency", policy(), seed=3).ainvoke("What is 6 times 7?")
    assert isinstance(message, AIMessage)
    assert message.content == "42"
    assert message.usage_metadata
    assert message.usage_metadata["output_tokens"] == 32
    assert message.response_metadata["model_name"] == "self-consistency/scripted"
    assert message.response_metadata["reflectree"]["usage"]["calls"] == 2
    assert message.response_metadata["finish_reason"] == "stop"


async def test_batches_and_streams() -> None:
    chain: Any = PROMPT | answerer("cot", policy())
    asked: list[Any] = [{"a": number, "b": 2} for number in range(5)]
    assert await chain.abatch(asked) == ["0", "2", "4", "6", "8"]
    assert chain.batch(asked[:3], {"max_concurrency": 2}) == ["0", "2", "4"]
    assert [part async for part in chain.astream(asked[1])] == ["2"]
    assert next(iter(reasoner("cot", policy()).stream("What is 2 times 2?"))).content == "4"


async def test_the_search_is_a_child_of_the_chain_and_counted_once() -> None:
    model = ScriptedChat(script=lambda messages, number: says("Answer: 42"))
    chain = PROMPT | reasoner("self-consistency", model)
    with get_usage_metadata_callback() as counted:
        events = [event async for event in chain.astream_events({"a": 6, "b": 7}, version="v2")]
    names = {event["run_id"]: event["name"] for event in events}
    parents = [
        [names[parent] for parent in event["parent_ids"]] for event in events if event["event"] == "on_chat_model_start"
    ]
    assert len(parents) == 16
    assert all(chain[:3] == ["RunnableSequence", *["reflectree:self-consistency"] * 2] for chain in parents)
    assert counted.usage_metadata["scripted-chat"]["input_tokens"] == 160
    [end] = [event for event in events if event["name"] == "RunnableSequence" and event["event"] == "on_chain_end"]
    output: Any = end["data"].get("output")
    assert output.usage_metadata["input_tokens"] == 160


async def test_conversations_and_tasks_of_all_forms() -> None:
    human = HumanMessage("What is 6 times 7?")
    for given in ("What is 6 times 7?", human, [human], [("human", "What is 6 times 7?")], {"messages": [human]}):
        assert await answerer("cot", policy()).ainvoke(given) == "42"
        assert (await reasoner("cot", policy()).ainvoke(given)).content == "42"
    assert messages_of([SystemMessage("s"), {"role": "user", "content": "u"}])[1].content == "u"
    task = Task("What is 6 times 7?", verifier=verifiers.numeric(42))
    assert await answerer("cot", policy()).ainvoke(task) == "42"
    assert await (RunnablePassthrough[Any]() | answerer("cot", policy())).ainvoke("What is 6 times 7?") == "42"


async def test_what_cannot_work_is_said_in_one_line() -> None:
    with pytest.raises(BadInput, match="unknown blueprint"):
        answerer("nothing")
    with pytest.raises(BadInput, match="unknown model"):
        reasoner("cot", "gpt-nothing")
    for wrong in (7, [], [7], {"text": "x"}):
        with pytest.raises(BadInput, match="no conversation"):
            await reasoner("cot", policy()).ainvoke(wrong)
    with pytest.raises(BudgetRefused, match="calls ended before an answer"):
        await answerer("cot", policy(), budget=Budget(calls=0)).ainvoke("What is 6 times 7?")
    ended = await reasoner("cot", policy(), budget=Budget(calls=0)).ainvoke("What is 6 times 7?")
    assert (ended.content, ended.response_metadata["finish_reason"]) == ("", "length")


def test_what_is_bound_is_an_option_of_that_call() -> None:
    reason = reasoner("cot", ScriptedPolicy("Answer: four and two"))
    assert reason.bind(stop=[" and"]).invoke("How many?").content == "four"
    with pytest.raises(BudgetRefused):
        answerer("cot", policy()).bind(budget=Budget(calls=0)).invoke("What is 6 times 7?")
    with pytest.raises(TypeError, match="judgee"):
        answerer("cot", policy()).bind(judgee="embedded").invoke("What is 6 times 7?")


def test_an_image_beside_a_question_is_refused_and_not_left_out() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
    for piece in (answerer("cot", policy()), reasoner("cot", policy())):
        with pytest.raises(BadInput, match="only words"):
            piece.invoke([HumanMessage([{"type": "text", "text": "What is 6 times 7?"}, image])])


def test_a_batch_over_a_client_that_keeps_its_connections() -> None:
    """Such a client belongs to the event loop that it was first used from: all of a batch has to run in one."""
    questions = [f"What is {number} plus 1?" for number in range(8)]
    with Remote(reply="So it is.\nAnswer: 5") as server:
        model = ChatOpenAI(model="loopback", base_url=server.base_url, api_key=SecretStr("-"), max_retries=0)
        for _ in range(2):
            assert answerer("cot", policy=model).batch(list(questions)) == ["5"] * 8
            assert [said.text for said in reasoner("cot", policy=model).batch(list(questions))] == ["5"] * 8
