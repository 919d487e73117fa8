"""Requests as bodies and bodies as replies."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.models import wire
from reflectree.models.base import Choice, Message, Request
from reflectree.models.servers import GENERIC, SERVERS
from reflectree.rlm_ops.errors import TransientModelError

ASK = Request((Message("user", "Make 24."),), max_tokens=9)


def body(request: Request, server: str = "openai", **extra: Any) -> dict[str, Any]:
    kind = SERVERS[server]
    parsed: dict[str, Any] = json.loads(wire.write_body(request, "m", kind, kind.max_tokens_field, extra))
    return parsed


def test_only_what_is_asked_for_is_written() -> None:
    assert body(ASK, "vllm") == {
        "model": "m",
        "messages": [{"role": "user", "content": "Make 24."}],
        "temperature": 0.8,
        "max_tokens": 9,
    }


def test_everything_that_can_be_asked_for_is_written() -> None:
    request = replace(
        ASK,
        temperature=0.0,
        top_p=0.9,
        stop=tuple("abcdef"),
        seed=7,
        n=3,
        top_logprobs=99,
        json_schema={"type": "string"},
    )
    written = body(request, "openai", user="me")
    assert written["max_completion_tokens"] == 9
    assert "max_tokens" not in written
    assert written["stop"] == ["a", "b", "c", "d"]
    assert (written["temperature"], written["top_p"], written["seed"], written["n"]) == (0.0, 0.9, 7, 3)
    assert (written["logprobs"], written["top_logprobs"]) == (True, wire.MOST_TOP_LOGPROBS)
    assert written["response_format"]["json_schema"]["schema"] == {"type": "string"}
    assert written["user"] == "me"
    assert "use_beam_search" not in written


def test_beams_are_asked_for_with_the_fields_of_the_servers_that_have_them() -> None:
    written = body(replace(ASK, n=4, diverse=True), "vllm", diversity_penalty=1.0)
    assert (written["use_beam_search"], written["n"], written["diversity_penalty"]) == (True, 4, 1.0)


@pytest.mark.parametrize(
    ("server", "flags"), [("vllm", True), ("sglang", True), ("ollama", False), ("llamacpp", False)]
)
def test_a_begun_turn_is_sent_as_the_server_wants_it(server: str, flags: bool) -> None:
    written = body(replace(ASK, prefill="So"), server)
    assert written["messages"][-1] == {"role": "assistant", "content": "So"}
    assert written.get("continue_final_message", False) is flags
    assert ("add_generation_prompt" in written) is flags


def test_strict_schemas_are_told_from_others() -> None:
    closed = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert wire.is_strict(closed)
    assert not wire.is_strict({**closed, "required": []})
    assert not wire.is_strict({"type": "array", "items": {"type": "object", "properties": {}}})


@pytest.mark.parametrize(
    "choices",
    [
        None,
        [],
        "text",
        [None],
        [{}],
        [{"message": None}],
        [{"message": {"content": 3}}],
        [{"message": {"content": [1]}}],
    ],
)
def test_a_reply_of_another_shape_may_be_tried_again(choices: Any) -> None:
    with pytest.raises(TransientModelError, match="here sent"):
        wire.read_choices({"choices": choices}, "here")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_body_breaks_the_reader(data: Any) -> None:
    try:
        wire.read_choices(
            {"choices": [{"message": {"content": data}, "finish_reason": data, "logprobs": data}]}, "here"
        )
        wire.read_choices({"choices": data}, "here")
    except TransientModelError:
        pass
    wire.read_usage({"usage": data})


@pytest.mark.parametrize("cut", [b"", b'{"choices": [{"mess', b"[1]", b"null", b"\xff\xfe"])
def test_a_body_that_is_no_object_may_be_tried_again(cut: bytes) -> None:
    with pytest.raises(TransientModelError, match="malformed"):
        wire.read_json(cut, "here")


@pytest.mark.parametrize(
    ("said", "finish"),
    [("stop", "stop"), ("LENGTH", "length"), ("max_tokens", "length"), ("content_filter", "filter"), (None, "unknown")],
)
def test_reasons_to_end(said: str | None, finish: str) -> None:
    assert wire.finish_of(said) == finish


def test_parts_refusals_and_thought() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    rows = [
        {"message": {"content": parts, "reasoning_content": "hm"}, "finish_reason": "stop"},
        {"message": {"content": None, "refusal": "I will not."}, "finish_reason": "stop"},
        {"message": {"content": "c", "reasoning": "ah"}, "logprobs": {"token_logprobs": [-1, -0.5]}},
    ]
    assert wire.read_choices({"choices": rows}, "here") == (
        Choice("ab", "stop", None, "hm"),
        Choice("", "filter"),
        Choice("c", "unknown", (-1.0, -0.5), "ah"),
    )


@pytest.mark.parametrize(
    ("raw", "best"),
    [
        (
            {
                "content": [
                    {"token": "4", "logprob": -0.1, "top_logprobs": [{"logprob": -0.1}, {"logprob": -2.5}]},
                    {"token": "2", "logprob": -3, "top_logprobs": [{"logprob": -0.2}, {"logprob": -1}]},
                ]
            },
            ((-0.1, -2.5), (-0.2, -1.0)),
        ),
        ({"token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5, "b": -1.5}]}, ((-0.5, -1.5),)),
        ({"content": [{"logprob": -0.1, "top_logprobs": []}]}, None),
        ({"content": [{"logprob": -0.1, "top_logprobs": [{"logprob": -0.1}]}, {"logprob": -0.1}]}, None),
        ({"content": [{"logprob": -0.1, "top_logprobs": [{"logprob": None}]}]}, None),
        ({"token_logprobs": [-0.5]}, None),
        (None, None),
    ],
)
def test_alternatives_a_token_are_read_or_none_are(raw: Any, best: Any) -> None:
    assert wire.read_alternatives(raw) == best
    (choice,) = wire.read_choices({"choices": [{"message": {"content": "42"}, "logprobs": raw}]}, "here")
    assert choice.alternatives == best


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}, (5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 6}}, (5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 6}}, (5, 8)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 20}, (5, 15)),
        ({"prompt_tokens": 5, "completion_tokens": 0}, (5, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": -5, "completion_tokens": 7}, None),
        ({"prompt_tokens": True, "completion_tokens": 7}, None),
        ({"prompt_tokens": "5", "completion_tokens": 7}, None),
        ([], None),
        (None, None),
    ],
)
def test_counted_tokens(usage: Any, counted: tuple[int, int] | None) -> None:
    assert wire.read_usage({"usage": usage}) == counted


@given(st.text(max_size=200), st.integers(1, 50))
def test_uncounted_tokens_are_estimated_from_above(text: str, most: int) -> None:
    request = replace(ASK, max_tokens=most)
    # a token is at least a byte, and there are at most `most` of them
    tokens = min(most, len(text.encode()))
    assert wire.estimate_completion(request, (Choice(text),), hidden_reasoning=False) >= tokens
    assert wire.estimate_completion(request, (Choice(""),), hidden_reasoning=True) >= most


@given(st.lists(st.text(max_size=50), min_size=1, max_size=4), st.text(max_size=50))
def test_the_bound_covers_every_byte_of_the_prompt(said: list[str], prefill: str) -> None:
    request = Request(tuple(Message("user", text) for text in said), prefill=prefill)
    assert wire.prompt_bound(request) >= sum(len(text.encode()) for text in said) + len(prefill.encode())


def test_a_kind_of_server_that_is_unknown_is_asked_with_the_older_field() -> None:
    assert GENERIC.max_tokens_field == "max_tokens"
