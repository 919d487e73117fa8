"""Laws of the fall-backs: whatever a model cannot do, the reply looks as if it could."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.models import fallback
from reflectree.models.base import Capabilities, Choice, Message, Reply, Request, Role
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.rlm_ops.errors import ModelRejected, ModelTimeout, TransientModelError
from reflectree.rlm_ops.usage import Usage

ROLES: tuple[Role, ...] = ("system", "user", "assistant")
texts = st.text(max_size=30)
messages = st.lists(st.builds(Message, st.sampled_from(ROLES), texts), min_size=1, max_size=5).map(tuple)
requests = st.builds(
    Request,
    messages=messages,
    stop=st.lists(st.text(min_size=1, max_size=3), max_size=3).map(tuple),
    seed=st.none() | st.integers(0, 2**31 - 1),
    n=st.integers(1, 9),
    top_logprobs=st.integers(0, 5),
    prefill=texts,
    json_schema=st.none() | st.just({"type": "object"}),
    diverse=st.booleans(),
)
capabilities = st.builds(
    Capabilities,
    max_n=st.integers(1, 5),
    logprobs=st.booleans(),
    prefill=st.booleans(),
    system=st.booleans(),
    stop=st.booleans(),
    seed=st.booleans(),
    json_schema=st.booleans(),
    temperature=st.booleans(),
    diverse_beams=st.booleans(),
)
ASK = Request((Message("system", "Think."), Message("user", "Make 24.")))


@given(requests, capabilities)
def test_an_adapted_request_asks_for_nothing_the_model_cannot_do(request: Request, able: Capabilities) -> None:
    adapted = fallback.adapt(request, able)
    assert able.system or all(message.role != "system" for message in adapted.messages)
    assert able.prefill or not adapted.prefill
    assert able.stop or not adapted.stop
    assert able.seed or adapted.seed is None
    assert able.logprobs or not adapted.top_logprobs
    assert able.json_schema or adapted.json_schema is None
    assert able.temperature or (adapted.temperature is None and adapted.top_p is None)
    assert not adapted.diverse or (able.diverse_beams and 1 < adapted.n <= able.max_n)


@given(requests, capabilities)
def test_adapting_twice_is_adapting_once(request: Request, able: Capabilities) -> None:
    once = fallback.adapt(request, able)
    assert fallback.adapt(once, able) == once


@given(requests)
def test_an_able_model_gets_the_request_itself(request: Request) -> None:
    request = replace(request, diverse=request.diverse and request.n > 1)
    assert fallback.adapt(request, replace(ABLE, diverse_beams=True)) is request
    assert fallback.split(request, ABLE.max_n) == [request]


@given(requests, capabilities)
def test_no_words_of_the_conversation_are_lost(request: Request, able: Capabilities) -> None:
    said = "\n".join(message.content for message in fallback.adapt(request, able).messages)
    assert all(message.content in said for message in request.messages)
    assert able.prefill or request.prefill in said
    assert able.json_schema or request.json_schema is None or '{"type": "object"}' in said


@given(requests, st.integers(1, 5))
def test_parts_ask_for_as_many_samples_and_never_twice_for_the_same(request: Request, most: int) -> None:
    parts = fallback.split(request, most)
    assert sum(part.n for part in parts) == request.n
    assert all(part.n <= most for part in parts)
    seeds = [part.seed for part in parts]
    assert request.seed is None or len(set(seeds)) == len(seeds)


@given(requests, texts)
def test_a_repeated_beginning_is_taken_off_and_nothing_else(request: Request, rest: str) -> None:
    weak = replace(ABLE, prefill=False)
    silent = replace(request, stop=())
    echoed = fallback.finish(Reply((Choice(silent.prefill + rest),)), silent, weak)
    if silent.prefill.strip() and "<think>" not in silent.prefill + rest:
        assert echoed.choices[0].text == rest
    continued = fallback.finish(Reply((Choice("q" + rest),)), replace(silent, prefill="begun"), weak)
    assert continued.choices[0].text == "q" + rest


@given(requests, capabilities, st.text(max_size=60))
def test_a_finished_text_holds_no_stop_string(request: Request, able: Capabilities, text: str) -> None:
    choice = fallback.finish(Reply((Choice(text, "length"),)), request, able).choices[0]
    assert not any(word in choice.text for word in request.stop)


def test_white_space_changed_in_an_echo_is_forgiven() -> None:
    request = replace(ASK, prefill="Step 1: 8 - 5\n\nStep 2:")
    reply = fallback.finish(Reply((Choice("Step 1: 8 - 5\nStep 2: 3 * 8"),)), request, Capabilities())
    assert reply.choices[0].text == " 3 * 8"


def test_a_stop_string_inside_the_begun_text_is_cut_on_our_side() -> None:
    request = replace(ASK, prefill="a\n\nb", stop=("\n\n", "END"))
    assert fallback.adapt(request, Capabilities()).stop == ("END",)
    reply = fallback.finish(Reply((Choice("a\n\nb c\n\nd"),)), request, Capabilities())
    assert reply.choices[0].text == " c"


def test_the_fence_outgrows_what_it_holds() -> None:
    said = fallback.adapt(replace(ASK, prefill="x\n`````\ny"), Capabilities()).messages[-1].content
    assert "\n``````\nx\n`````\ny\n``````\n" in said


def test_system_texts_move_to_the_first_user_turn() -> None:
    adapted = fallback.adapt(ASK, Capabilities(system=False))
    assert adapted.messages == (Message("user", "Think.\n\nMake 24."),)


@pytest.mark.parametrize(
    ("written", "hidden", "text", "thought"),
    [
        ("<think>hm</think>\n42", False, "42", "hm"),
        ("<think>cut off in thou", False, "", "cut off in thou"),
        ("hm</think>\n42", True, "42", "hm"),
        ("hm</think>\n42", False, "hm</think>\n42", ""),
    ],
)
def test_tagged_thought_is_moved_out_of_the_text(written: str, hidden: bool, text: str, thought: str) -> None:
    able = Capabilities(hidden_reasoning=hidden)
    choice = fallback.finish(Reply((Choice(written),)), ASK, able).choices[0]
    assert (choice.text, choice.reasoning) == (text, thought)


def test_a_cut_ends_as_a_stop_and_drops_log_probabilities_that_no_longer_fit() -> None:
    told: dict[str, Any] = {"token_logprobs": (-0.1, -0.2), "alternatives": ((-0.1, -3.0), (-0.2, -2.0))}
    written = Choice("abENDc", "length", **told)
    choice = fallback.finish(Reply((written,)), replace(ASK, stop=("END",)), ABLE).choices[0]
    assert choice == Choice("ab", "stop", None)
    thought = Choice("<think>hm</think>ab", "stop", **told)
    assert fallback.finish(Reply((thought,)), ASK, ABLE).choices[0] == Choice("ab", "stop", None, "hm")
    assert fallback.finish(Reply((replace(written, text="ab"),)), ASK, ABLE).choices[0].alternatives == (
        (-0.1, -3.0),
        (-0.2, -2.0),
    )


def test_beams_are_sampled_where_the_server_searches_none_or_would_find_the_same_twice() -> None:
    beams = replace(ASK, n=4, diverse=True)
    able = replace(ABLE, diverse_beams=True)
    assert fallback.adapt(beams, able) is beams
    assert fallback.adapt(beams, ABLE) == replace(ASK, n=4)
    assert fallback.adapt(beams, replace(able, max_n=3)) == replace(ASK, n=4)


async def test_paid_samples_survive_the_failure_of_others() -> None:
    script: list[str | Exception] = ["a", TransientModelError("broken"), "c", ModelTimeout("late")]
    policy = ScriptedPolicy(script, capabilities=replace(ABLE, max_n=1))
    reply = await policy.complete(replace(ASK, n=4))
    assert [choice.text for choice in reply.choices] == ["a", "c"]
    assert (reply.usage.calls, reply.usage.failed_calls) == (4, 2)


async def test_nothing_at_all_raises_the_fault_that_says_most() -> None:
    script: list[str | Exception] = [TransientModelError("broken"), ModelRejected("wrong key", 401)]
    policy = ScriptedPolicy(script, capabilities=replace(ABLE, max_n=1))
    with pytest.raises(ModelRejected, match="wrong key"):
        await policy.complete(replace(ASK, n=2))


async def test_a_programming_error_is_not_mistaken_for_a_fault() -> None:
    script: list[str | Exception] = ["a", ZeroDivisionError("bug")]
    policy = ScriptedPolicy(script, capabilities=replace(ABLE, max_n=1))
    with pytest.raises(ZeroDivisionError):
        await policy.complete(replace(ASK, n=2))


async def test_parts_run_at_the_same_time_and_end_together_when_cancelled() -> None:
    all_started, ended = asyncio.Barrier(4), 0

    async def send(part: Request) -> Reply:
        nonlocal ended
        try:
            await all_started.wait()
            await asyncio.Event().wait()
        finally:
            ended += 1
        return Reply((), Usage())

    task = asyncio.ensure_future(fallback.complete(send, replace(ASK, n=5), Capabilities(max_n=2)))
    await all_started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == 3


def test_less_helps_only_a_request_that_carries_the_parameter() -> None:
    assert fallback.helps(ASK, fallback.without(ABLE, "temperature"))
    assert not fallback.helps(replace(ASK, temperature=None), fallback.without(ABLE, "temperature"))
    assert fallback.helps(replace(ASK, n=2), fallback.without(ABLE, "n"))
    assert not fallback.helps(ASK, fallback.without(ABLE, "n"))
