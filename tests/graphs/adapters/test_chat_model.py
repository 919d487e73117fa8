"""`ReasoningChatModel` beyond LangChain's own suites: its bill, its place in traces, its end when nobody listens."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    CallbackManagerForLLMRun,
    UsageMetadataCallbackHandler,
    get_usage_metadata_callback,
)
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel, Field, SecretStr
from tests.support.competent import competent

from reflectree.graphs.adapters.chat_model import ReasoningChatModel
from reflectree.graphs.adapters.wants import Unreadable
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, TransientModelError

BEST_OF_3 = {
    "name": "best-of-3",
    "scheme": {"structure": "tree", "granularity": "solution", "strategy": {"name": "best-of-n", "n": 3}},
    "selection": "value",
}
THOUGHT = "17 times 23 is 340 + 51.\nAnswer: 391"


class Counting(BaseChatModel):
    """A chat model that says what its calls cost."""

    said: str = THOUGHT

    @property
    def _llm_type(self) -> str:
        return "counting"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = AIMessage(
            self.said,
            usage_metadata=UsageMetadata(input_tokens=10, output_tokens=5, total_tokens=15),
            response_metadata={"model_name": "counting"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


class Family(BaseCallbackHandler):
    """Writes down which run is whose child."""

    def __init__(self) -> None:
        self.parents: dict[UUID, UUID | None] = {}
        self.models: list[tuple[UUID, str]] = []

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        self.parents[run_id] = parent_run_id

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        self.parents[run_id] = parent_run_id
        self.models.append((run_id, kwargs.get("name") or serialized["id"][-1]))

    def under(self, run: UUID | None) -> list[UUID | None]:
        """The runs that a run belongs to."""
        above: list[UUID | None] = []
        while run is not None:
            run = self.parents.get(run)
            above.append(run)
        return above


def model(policy: Any = THOUGHT, blueprint: Any = "cot", **fields: Any) -> ReasoningChatModel:
    """A model to test."""
    return ReasoningChatModel(
        blueprint=blueprint, policy=ScriptedPolicy(policy) if isinstance(policy, str) else policy, **fields
    )


async def asked_of(policy: ScriptedPolicy) -> None:
    """Wait until a policy was asked something."""
    async with asyncio.timeout(10):
        while not policy.requests:  # noqa: ASYNC110 (a fake has no event to wait for)
            await asyncio.sleep(0.01)


async def collected(stream: Any) -> Any:
    """The sum of an async stream's chunks."""
    whole = None
    async for chunk in stream:
        whole = chunk if whole is None else whole + chunk
    return whole


Ask = Callable[[Any, str, dict[str, Any]], Any]


async def _streams(runnable: Any, asked: str, config: dict[str, Any]) -> Any:
    whole = None
    for chunk in await asyncio.to_thread(lambda: list(runnable.stream(asked, config))):
        whole = chunk if whole is None else whole + chunk
    return whole


async def _invokes(runnable: Any, asked: str, config: dict[str, Any]) -> Any:
    return await asyncio.to_thread(runnable.invoke, asked, config)


WAYS: dict[str, Ask] = {
    "invoke": _invokes,
    "ainvoke": lambda runnable, asked, config: runnable.ainvoke(asked, config),
    "stream": _streams,
    "astream": lambda runnable, asked, config: collected(runnable.astream(asked, config)),
}


@pytest.fixture(params=list(WAYS))
def ask(request: pytest.FixtureRequest) -> Ask:
    return WAYS[request.param]


async def test_a_message_says_what_its_run_was() -> None:
    message = await model(blueprint=BEST_OF_3, policy=competent()).ainvoke("Hello")
    assert message.content == "You said: Hello"
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] > 0
    metadata = message.response_metadata
    assert metadata["model_name"] == "best-of-3/scripted"
    assert (metadata["finish_reason"], metadata["stop_reason"]) == ("stop", "complete")
    assert metadata["calls"] == 4  # three samples of one request, and three judgements
    assert message.id is not None
    assert metadata["run_id"] in message.id.replace("-", "")


@pytest.mark.parametrize("how", ["context", "config"])
async def test_usage_is_counted_once(ask: Ask, how: str) -> None:
    ours = model(Counting(), BEST_OF_3)
    chain = ours | (lambda message: message)
    for runnable in (ours, chain):
        handler = UsageMetadataCallbackHandler()
        with get_usage_metadata_callback() as around:
            message = await ask(runnable, "What is 17 times 23?", {"callbacks": [handler]} if how == "config" else {})
        tracked = handler.usage_metadata if how == "config" else around.usage_metadata
        assert list(tracked) == ["best-of-3/langchain/Counting"]
        assert tracked["best-of-3/langchain/Counting"]["total_tokens"] == message.usage_metadata["total_tokens"]
        assert message.usage_metadata["total_tokens"] == 15 * message.response_metadata["calls"]


async def test_inner_calls_are_children_of_the_model_s_run(ask: Ask) -> None:
    family = Family()
    await ask(model(Counting()), "What is 17 times 23?", {"callbacks": [family]})
    (outer, _), *inner = family.models
    assert [name for _, name in inner] == ["reflectree.policy"]
    assert outer in family.under(inner[0][0])
    assert family.parents[outer] is None


async def test_inner_calls_are_children_in_a_chain_too(ask: Ask) -> None:
    family = Family()
    chain = ChatPromptTemplate.from_messages([("user", "{asked}")]) | model(Counting()) | StrOutputParser()
    said = await ask(chain, {"asked": "What is 17 times 23?"}, {"callbacks": [family]})  # type: ignore[arg-type]
    assert said == "391"
    (outer, _), (inner, _) = family.models
    assert outer in family.under(inner)
    assert family.parents[outer] is not None


async def test_a_streaming_host_s_handlers_see_the_same_family() -> None:
    family = Family()
    names = []
    async for event in model(Counting()).astream_events("What is 17 times 23?", {"callbacks": [family]}, version="v2"):
        names.append(event["event"])
    (outer, _), (inner, _) = family.models
    assert outer in family.under(inner)
    assert names.count("on_chat_model_end") == 2


async def test_candidates_do_not_leak_into_a_host_s_messages() -> None:
    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model(Counting(), BEST_OF_3).ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node")
    host = graph.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "host"}}
    stream: Any = host.astream({"messages": [HumanMessage("17 * 23?")]}, config, stream_mode="messages")
    shown = [part async for part, _ in stream]
    assert "".join(str(part.content) for part in shown) == "391"
    assert all(part.response_metadata.get("model_name") != "counting" for part in shown)
    saved = await host.aget_state(config)
    assert [message.content for message in saved.values["messages"]] == ["17 * 23?", "391"]
    assert not saved.tasks


async def test_cancelling_the_caller_cancels_the_calls() -> None:
    policy = ScriptedPolicy("Answer: late", latency=60)
    task = asyncio.create_task(model(policy, BEST_OF_3).ainvoke("Hello"))
    await asked_of(policy)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert policy._in_flight == 0


async def test_a_stream_that_is_left_ends_the_run() -> None:
    policy = ScriptedPolicy("Answer: late", latency=60)
    stream = model(policy, BEST_OF_3).astream("Hello")
    async for chunk in stream:
        assert chunk.additional_kwargs["reasoning_content"].startswith("begins: best-of-3")
        await asked_of(policy)
        break
    await stream.aclose()  # type: ignore[attr-defined]
    assert policy._in_flight == 0


async def test_a_stream_that_is_left_leaves_no_error_behind() -> None:
    said: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: said.append(about))
    stream = model(ScriptedPolicy("Answer: late", latency=60), BEST_OF_3).astream("Hello")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0.05)
    gc.collect()
    assert said == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("asks", ["invoke", "stream"])
def test_an_evaluator_may_ask_a_chat_model_synchronously(asks: str) -> None:
    innermost = model(ScriptedPolicy("Answer: 0.5"), "cot")

    def asked(judge: ReasoningChatModel) -> Callable[[Any], float]:
        if asks == "invoke":
            return lambda path: float(str(judge.invoke("Rate it").content))
        return lambda path: float("".join(str(chunk.content) for chunk in judge.stream("Rate it")))

    between = model(ScriptedPolicy("Answer: 0.5"), BEST_OF_3, evaluator=asked(innermost))
    outer = model(ScriptedPolicy("Answer: 42"), BEST_OF_3, evaluator=asked(between))
    assert outer.invoke("Hello").content == "42"


def test_a_plain_stream_that_is_left_ends_the_run() -> None:
    policy = ScriptedPolicy("Answer: late", latency=60)
    stream = model(policy, BEST_OF_3).stream("Hello")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert policy._in_flight == 0


async def test_a_stream_tells_how_the_search_goes_on() -> None:
    whole = await collected(model(competent(), BEST_OF_3).astream("Hello"))
    lines = whole.additional_kwargs["reasoning_content"].splitlines()
    assert lines[0] == "begins: best-of-3, seed 0"
    assert sum(line.startswith("scored") for line in lines) == 3
    assert whole.content == "You said: Hello"
    silent = await collected(model(competent(), BEST_OF_3, progress=False).astream("Hello"))
    assert "reasoning_content" not in silent.additional_kwargs
    assert silent.chunk_position == "last"


@pytest.mark.parametrize("caps", [{"max_total_tokens": 1}, {"max_seconds": 0.001}])
async def test_a_budget_that_ends_before_an_answer_gives_an_empty_message(caps: dict[str, Any]) -> None:
    message = await model(ScriptedPolicy(THOUGHT, latency=0.1), BEST_OF_3, **caps).ainvoke("Hello")
    assert message.content == ""
    assert message.response_metadata["finish_reason"] == "length"
    assert message.response_metadata["stop_reason"].startswith("budget:")


async def test_a_budget_caps_the_calls() -> None:
    message = await model(competent(), "best-of-n", max_calls=5).ainvoke("Hello")
    assert message.response_metadata["calls"] <= 5
    assert message.content


async def test_settings_reach_the_policy() -> None:
    policy = competent()
    ours = model(policy, temperature=0.3, max_tokens=77, timeout=12, seed=5)
    await ours.ainvoke("Hello")
    await ours.ainvoke("Hello", temperature=0.9, max_tokens=55)
    first, second = policy.requests
    assert (first.temperature, first.max_tokens, first.timeout) == (0.3, 77, 12)
    assert (second.temperature, second.max_tokens) == (0.9, 55)


async def test_retries_are_the_model_s_own() -> None:
    policy = ScriptedPolicy([TransientModelError("busy", 0.0), THOUGHT])
    assert (await model(policy, max_retries=1).ainvoke("Hello")).content == "391"
    with pytest.raises(Unreadable, match="busy"):
        await model(ScriptedPolicy([TransientModelError("busy", 0.0), THOUGHT]), max_retries=0).ainvoke("Hello")


async def test_stop_words_end_the_reply() -> None:
    assert (await model("Answer: one, two, three").ainvoke("Hello", stop=["two"])).content == "one, "
    assert (await model("Answer: one, two, three", stop=["three"]).ainvoke("Hello")).content == "one, two, "


def test_a_name_stands_for_blueprint_and_policy() -> None:
    named = ReasoningChatModel(model="mcts/openai/gpt-5-mini", api_key=SecretStr("none"))
    assert named.model_name == "mcts/openai/gpt-5-mini"
    assert ReasoningChatModel(model="cot").model_name == "cot/embedded"
    assert model().model_name == "cot/scripted"
    with pytest.raises(BadInput, match="stands for"):
        ReasoningChatModel(model="mcts/embedded", blueprint="cot")
    with pytest.raises(BadInput, match="unknown blueprint"):
        ReasoningChatModel(model="mtcs/embedded")
    with pytest.raises(BadInput):
        ReasoningChatModel(max_calls=-1)


def test_models_that_differ_are_told_apart() -> None:
    plain = model()._get_llm_string()
    assert model()._get_llm_string() == plain
    for other in (model(seed=1), model(max_calls=3), model(blueprint="best-of-n"), model(temperature=0.5)):
        assert other._get_llm_string() != plain
    assert (
        "secret" not in repr(model(api_key=SecretStr("secret"))) + model(api_key=SecretStr("secret"))._get_llm_string()
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"top_p": 0.5}, "nothing a call can set"),
        ({"tools": [{"type": "function"}]}, "tools: each is"),
        ({"response_format": {"type": "xml"}}, "response_format: give"),
        ({"tool_choice": "required"}, "there are no tools"),
        ({"model": "nothing"}, "unknown blueprint"),
    ],
)
async def test_what_a_call_cannot_set_is_refused(given: dict[str, Any], why: str) -> None:
    policy = competent()
    with pytest.raises(BadInput, match=why):
        await model(policy).ainvoke("Hello", **given)
    assert not policy.requests


async def test_images_are_refused() -> None:
    policy = competent()
    image = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}])
    with pytest.raises(BadInput, match="only words"):
        await model(policy).ainvoke([image])
    assert not policy.requests


class Weather(BaseModel):
    """The weather of a place."""

    place: str
    degrees: int = Field(description="Degrees Celsius.", le=60)


@tool
def get_weather(location: str) -> str:
    """Say what the weather is."""
    return f"sunny in {location}"


def test_tools_of_all_kinds_are_bound() -> None:
    bound: Any = model().bind_tools(
        [get_weather, Weather, {"name": "plain", "description": "", "parameters": {"type": "object"}}], tool_choice=True
    )
    assert [each["function"]["name"] for each in bound.kwargs["tools"]] == ["get_weather", "Weather", "plain"]


@pytest.mark.parametrize(
    ("parameters", "choice", "why"),
    [
        ({"type": "nonsense"}, None, "no JSON schema"),
        ({"type": "object", "properties": {"a": {"$ref": "https://elsewhere/schema"}}}, None, "outside the schema"),
        ({"$ref": "#"}, None, "refers to itself"),
        ({"type": "object"}, "other", "tool choice 'other'"),
    ],
)
def test_tools_that_cannot_be_are_refused(parameters: dict[str, Any], choice: str | None, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        model().bind_tools([{"name": "tool", "description": "", "parameters": parameters}], tool_choice=choice)


async def test_an_agent_calls_tools_and_replies() -> None:
    agent = create_agent(model(competent(), BEST_OF_3), [get_weather])
    state = await agent.ainvoke({"messages": [HumanMessage("What is the weather in Rome?")]})
    kinds = [type(message).__name__ for message in state["messages"]]
    assert kinds == ["HumanMessage", "AIMessage", "ToolMessage", "AIMessage"]
    assert state["messages"][-1].content == "The tool says sunny in What is the weather in Rome?."


async def test_an_agent_gives_structured_output() -> None:
    agent = create_agent(model(competent()), [get_weather], response_format=Weather)
    state = await agent.ainvoke({"messages": [HumanMessage("What is the weather in Rome, at 21 degrees?")]})
    assert isinstance(state["structured_response"], Weather)
    assert state["structured_response"].degrees == 21


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_structured_output_may_come_with_its_message(method: Any) -> None:
    asked = "Rome has 21 degrees"
    if method == "json_mode":
        policy = ScriptedPolicy('Answer: {"place": "Rome", "degrees": 21}')
    else:
        policy = competent()
    raw = await model(policy).with_structured_output(Weather, method=method, include_raw=True).ainvoke(asked)
    assert raw["parsed"].degrees == 21
    assert raw["parsing_error"] is None
    assert isinstance(raw["raw"], AIMessage)
    plain = await model(policy).with_structured_output(Weather.model_json_schema(), method=method).ainvoke(asked)
    assert plain["degrees"] == 21


def test_structured_output_by_no_known_method_is_refused() -> None:
    with pytest.raises(BadInput, match="use json_schema"):
        model().with_structured_output(Weather, method="yaml")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="takes no top_p"):
        model().with_structured_output(Weather, top_p=1)


async def test_an_invalid_answer_never_leaves_the_model() -> None:
    policy = ScriptedPolicy('Answer: {"place": "Rome", "degrees": 99}')
    with pytest.raises(Unreadable, match="does not follow its schema"):
        await model(policy).with_structured_output(Weather).ainvoke("How warm is Rome?")
    with pytest.raises(Unreadable, match="calls no tool"):
        await model("Answer: no").bind_tools([get_weather], tool_choice="any").ainvoke("Hello")


async def test_what_it_can_do_is_told() -> None:
    assert model().profile is not None
    assert model().profile["tool_calling"] is True  # type: ignore[index]
    assert model().profile["image_inputs"] is False  # type: ignore[index]


async def test_runs_are_saved_under_the_ids_of_their_runs() -> None:
    saver = InMemorySaver()
    message = await model(competent(), checkpoint=saver).ainvoke("Hello")
    assert message.response_metadata["run_id"] in saver.storage


class Slow(AsyncCallbackHandler):
    """An async handler, which a sync call must serve as well."""

    started = 0

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.started += 1


async def test_async_handlers_are_called() -> None:
    handler = Slow()
    await model(Counting()).ainvoke("Hello", {"callbacks": [handler]})
    assert handler.started == 2


async def test_a_batch_mixes_nothing_up() -> None:
    replies = await model(competent(), BEST_OF_3).abatch([f"number {number}" for number in range(20)])
    assert [reply.content for reply in replies] == [f"You said: number {number}" for number in range(20)]
    assert len({reply.response_metadata["run_id"] for reply in replies}) == 20


def test_chunks_are_ai_message_chunks() -> None:
    chunks = list(model(competent()).stream("Hello"))
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    assert [chunk.chunk_position for chunk in chunks][-1] == "last"
    assert [bool(chunk.usage_metadata) for chunk in chunks].count(True) == 1


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_nothing_to_parse_is_said_as_what_it_is(method: Any) -> None:
    starved = model(ScriptedPolicy(THOUGHT), "cot", max_calls=0)
    with pytest.raises(BudgetRefused, match="the budget of calls ended before there was an answer to parse"):
        starved.with_structured_output(Weather, method=method).invoke("Hello")
    both = starved.with_structured_output(Weather, method=method, include_raw=True).invoke("Hello")
    assert both["parsed"] is None
    assert both["raw"].response_metadata["finish_reason"] == "length"
    assert isinstance(both["parsing_error"], BudgetRefused)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"judgee": "embedded"}, "'judgee' is none: use agents, "), ({"seed": 1}, "'seed' is none .it is a field of the")],
)
def test_options_that_there_are_not_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        model(ScriptedPolicy(THOUGHT), "cot", options=options)
