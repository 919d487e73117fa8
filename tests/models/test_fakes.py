"""The scripted policy keeps to its script and to the protocol."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reflectree.models.base import Capabilities, Choice, Message, PolicyModel, Price, Request
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput, ModelTimeout, TransientModelError

ASK = Request((Message("user", "one two three"),))


async def test_a_list_is_said_in_order_and_runs_out_loudly() -> None:
    policy = ScriptedPolicy(["a", Choice("b", "length")])
    assert isinstance(policy, PolicyModel)
    assert (await policy.complete(ASK)).choices == (Choice("a"),)
    assert (await policy.complete(ASK)).choices == (Choice("b", "length"),)
    with pytest.raises(BadInput, match="the script has 2 replies, and this is sample 3"):
        await policy.complete(ASK)
    assert policy.requests == [ASK] * 3


async def test_a_text_is_said_for_ever_and_an_exception_raised() -> None:
    policy = ScriptedPolicy("yes")
    assert [choice.text for choice in (await policy.complete(replace(ASK, n=3))).choices] == ["yes"] * 3
    with pytest.raises(TransientModelError, match="broken"):
        await ScriptedPolicy([TransientModelError("broken")]).complete(ASK)


async def test_a_callable_gets_the_request_and_the_number_of_the_sample() -> None:
    policy = ScriptedPolicy(lambda request, index: f"{request.messages[-1].content[:3]} {index}")
    reply = await policy.complete(replace(ASK, n=2))
    assert [choice.text for choice in reply.choices] == ["one 0", "one 1"]
    assert (await policy.complete(ASK)).choices[0].text == "one 2"


async def test_words_are_counted_bounded_and_priced() -> None:
    policy = ScriptedPolicy("four words of reply", price=Price(1.0, 2.0))
    usage = (await policy.complete(ASK)).usage
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (1, 3, 4)
    assert usage.usd == pytest.approx(11e-6)
    assert policy.prompt_bound(ASK) == 3
    weak = ScriptedPolicy("ok", capabilities=Capabilities())
    hard = replace(ASK, prefill="so it is", json_schema={"type": "object"})
    assert (await weak.complete(hard)).usage.prompt_tokens <= weak.prompt_bound(hard)


async def test_requests_are_what_a_provider_would_see() -> None:
    policy = ScriptedPolicy("ok", capabilities=replace(ABLE, max_n=1, stop=False))
    await policy.complete(replace(ASK, n=2, stop=("\n",)))
    assert [request.n for request in policy.requests] == [1, 1]
    assert all(request.stop == () for request in policy.requests)


async def test_latency_and_time_out() -> None:
    policy = ScriptedPolicy("ok", latency=lambda number: 0.01 if number else 9.0)
    with pytest.raises(ModelTimeout):
        await policy.complete(replace(ASK, timeout=0.01))
    await asyncio.gather(*(policy.complete(ASK) for _ in range(5)))
    assert policy.max_in_flight == 5


async def test_a_closed_policy_refuses() -> None:
    policy = ScriptedPolicy("ok")
    await policy.aclose()
    with pytest.raises(BadInput, match="closed"):
        await policy.complete(ASK)
