"""LangChain models and Runnables as policies."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda

from reflectree.models.base import Choice, Message, PolicyModel, Price, Request
from reflectree.models.langchain import LangChainPolicy
from reflectree.models.loopback import LoopbackServer
from reflectree.rlm_ops.errors import (
    BadInput,
    ModelError,
    ModelRejected,
    ModelTimeout,
    ModelUnreachable,
    TransientModelError,
)

ASK = Request((Message("system", "Think."), Message("user", "Make 24.")), max_tokens=9, timeout=5.0)


class Recorder(BaseChatModel):
    """A chat model with fields for some settings, which notes how it was called."""

    temperature: float | None = None
    num_predict: int | None = None
    answer: AIMessage
    seen: list[Any]

    @property
    def _llm_type(self) -> str:
        return "recorder"

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self.seen.append((messages, stop, kwargs, self.temperature, self.num_predict))
        return ChatResult(generations=[ChatGeneration(message=self.answer)])


async def test_settings_go_into_the_fields_there_are() -> None:
    model = Recorder(answer=AIMessage("a END b"), seen=[])
    policy = LangChainPolicy(model)
    assert isinstance(policy, PolicyModel)
    reply = await policy.complete(replace(ASK, temperature=0.3, stop=("END",), seed=5))
    messages, stop, kwargs, temperature, limit = model.seen[0]
    assert [message.type for message in messages] == ["system", "human"]
    assert (stop, kwargs, temperature, limit) == (["END"], {}, 0.3, 9)
    assert reply.choices[0].text == "a "
    assert model.temperature is None


async def test_usage_finish_log_probabilities_and_thought() -> None:
    answer = AIMessage(
        [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "24"}],
        usage_metadata={"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
        response_metadata={"finish_reason": "length", "logprobs": {"content": [{"token": "24", "logprob": -0.5}]}},
    )
    policy = LangChainPolicy(Recorder(answer=answer, seen=[]), price=Price(1.0, 1.0))
    policy.capabilities = replace(policy.capabilities, logprobs=True)
    reply = await policy.complete(replace(ASK, top_logprobs=1))
    assert reply.choices == (Choice("24", "length", (-0.5,), "hm"),)
    assert reply.usage.to_row() == [1, 0, 7, 3, pytest.approx(10e-6)]


async def test_alternatives_a_token_are_read_where_they_are_asked_for() -> None:
    best = [{"token": "24", "logprob": -0.5}, {"token": "25", "logprob": -1.5}]
    content = [{"token": "24", "logprob": -0.5, "top_logprobs": best}]
    answer = AIMessage("24", response_metadata={"finish_reason": "stop", "logprobs": {"content": content}})
    policy = LangChainPolicy(Recorder(answer=answer, seen=[]))
    policy.capabilities = replace(policy.capabilities, logprobs=True)
    (choice,) = (await policy.complete(replace(ASK, top_logprobs=5))).choices
    assert (choice.token_logprobs, choice.alternatives) == ((-0.5,), ((-0.5, -1.5),))
    (plain,) = (await policy.complete(replace(ASK, top_logprobs=1))).choices
    assert (plain.token_logprobs, plain.alternatives) == ((-0.5,), None)


async def test_uncounted_tokens_are_estimated_and_samples_drawn_one_by_one() -> None:
    policy = LangChainPolicy(GenericFakeChatModel(messages=iter(["a", "b", "c"])))
    reply = await policy.complete(replace(ASK, n=3))
    assert sorted(choice.text for choice in reply.choices) == ["a", "b", "c"]
    assert reply.usage.calls == 3
    assert reply.usage.prompt_tokens == 3 * policy.prompt_bound(ASK)
    assert reply.usage.usd is None


async def test_any_runnable_from_messages_to_a_message_or_a_text() -> None:
    policy = LangChainPolicy(RunnableLambda(lambda messages: f"{len(messages)} END"))
    assert (await policy.complete(replace(ASK, stop=(" END",)))).choices[0].text == "2"
    assert not policy.capabilities.stop
    with pytest.raises(BadInput, match="int: a policy must return"):
        await LangChainPolicy(RunnableLambda(lambda messages: 3)).complete(ASK)


async def test_inner_calls_are_tagged() -> None:
    tags: list[str] = []

    class Handler(AsyncCallbackHandler):
        async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            tags.extend(kwargs["tags"])

    model = GenericFakeChatModel(messages=iter(["a"]), callbacks=[Handler()])
    await LangChainPolicy(model).complete(ASK)
    assert "nostream" in tags


def test_the_tag_is_langgraph_s() -> None:
    from langgraph.constants import TAG_NOSTREAM

    from reflectree.models.langchain import NOSTREAM

    assert NOSTREAM == TAG_NOSTREAM


async def test_faults_of_any_kind_are_typed() -> None:
    class BadRequest(Exception):
        status_code = 400

    faults: list[tuple[Exception, type[ModelError]]] = [
        (ConnectionResetError("gone"), ModelUnreachable),
        (KeyError("choices"), TransientModelError),
        (BadRequest("sk-abcdef123456 is too long"), ModelRejected),
    ]
    for fault, kind in faults:

        def fail(messages: Any, fault: Exception = fault) -> str:
            raise fault

        with pytest.raises(ModelError) as caught:
            await LangChainPolicy(RunnableLambda(fail)).complete(ASK)
        assert type(caught.value) is kind
        assert "sk-abcdef" not in str(caught.value)


async def test_a_hanging_model_is_cut() -> None:
    async def hang(messages: Any) -> str:
        await asyncio.Event().wait()
        return "never"

    with pytest.raises(ModelTimeout):
        await LangChainPolicy(RunnableLambda(hang)).complete(replace(ASK, timeout=0.05))


@pytest.mark.slow
async def test_chat_openai_end_to_end() -> None:
    openai = pytest.importorskip("langchain_openai")
    async with LoopbackServer(reply="8 * 3 END", refuse=["seed"]) as server:
        model = openai.ChatOpenAI(model="loopback", base_url=server.base_url, api_key="k", max_retries=0)
        policy = LangChainPolicy(model)
        assert policy.name == "langchain/loopback"
        with pytest.raises(TransientModelError, match="does not take seed"):
            await policy.complete(replace(ASK, stop=(" END",), seed=3, top_logprobs=1))
        reply = await policy.complete(replace(ASK, stop=(" END",), seed=3, top_logprobs=1, temperature=0.5))
        with pytest.raises(ModelRejected):
            await LangChainPolicy(model.model_copy(update={"model_name": "none"})).complete(ASK)
        await model.root_async_client.close()
    assert reply.choices[0].text == "8 * 3"
    assert reply.choices[0].token_logprobs is not None
    assert reply.usage.prompt_tokens == 3
    body = server.bodies[-2]
    assert (body["temperature"], body["stop"]) == (0.5, [" END"])
    assert body.get("max_completion_tokens", body.get("max_tokens")) == 9
