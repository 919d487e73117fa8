"""What clients send becomes a run's beginning, or a refusal that says which field and why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import ValidationError

from reflectree.apps.endpoint.body import ChatBody
from reflectree.apps.endpoint.errors import api_error
from reflectree.apps.endpoint.requests import Chat, chat_of, restored
from reflectree.graphs import blueprints
from reflectree.graphs.adapters.names import Offered
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.budget import Budget

OFFERED = Offered(("cot", "mcts"), ("embedded", "openai/gpt-5-mini"))
ASK = {"role": "user", "content": "Make 24."}
NO_CAPS = Budget()
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}


def read(fields: dict[str, Any], headers: dict[str, str] | None = None, caps: Budget = NO_CAPS) -> Chat:
    body = ChatBody.model_validate_json(json.dumps({"model": "cot", "messages": [ASK], **fields}))
    return chat_of(body, headers or {}, OFFERED, caps)


def refusal(fields: dict[str, Any], headers: dict[str, str] | None = None) -> ApiError:
    with pytest.raises((ApiError, ValidationError)) as told:
        read(fields, headers)
    return api_error(told.value)


def test_the_least_that_can_be_asked() -> None:
    chat = read({})
    assert (chat.model, chat.blueprint, chat.policy) == ("cot/embedded", "cot", "embedded")
    assert chat.messages == (HumanMessage("Make 24."),)
    assert not chat.wants
    assert (chat.budget, chat.seed, chat.stop, chat.stream) == (Budget(), 0, (), False)
    assert (chat.run_id, chat.idempotency_key) == (None, None)


def test_every_role_and_form_of_content() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Ulm"}'}}
    parts = [{"type": "text", "text": "And "}, {"type": "text", "text": "now?"}]
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "In German."}]},
        {"role": "user", "content": "Weather in Ulm?", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [call], "audio": None, "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "assistant", "refusal": "No."},
        {"role": "user", "content": parts},
    ]
    assert read({"messages": turns}).messages == (
        SystemMessage("Be brief."),
        SystemMessage("In German."),
        HumanMessage("Weather in Ulm?", name="ann"),
        AIMessage("", tool_calls=[{"name": "weather", "args": {"town": "Ulm"}, "id": "call_1", "type": "tool_call"}]),
        ToolMessage("rain", tool_call_id="call_1"),
        AIMessage("No."),
        HumanMessage("And now?"),
    )


def test_tools_and_forms_become_wants() -> None:
    wants = read({"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}).wants
    assert [tool.name for tool in wants.tools] == ["weather"]
    assert wants.tools[0].parameters["required"] == ["town"]
    assert (wants.choice, wants.parallel, wants.json) == ("required", False, False)
    named = {"type": "function", "function": {"name": "weather"}}
    assert read({"tools": [WEATHER], "tool_choice": named}).wants.choice == "weather"
    bare = {"type": "function", "function": {"name": "now", "strict": True}}
    assert read({"tools": [bare]}).wants.tools[0].parameters == {"type": "object", "properties": {}}
    assert not read({"response_format": {"type": "text"}}).wants
    assert read({"response_format": {"type": "json_object"}}).wants.json
    form = {"type": "object", "properties": {"n": {"type": "integer"}}}
    schema = {"type": "json_schema", "json_schema": {"name": "reply", "schema": form, "strict": True}}
    assert read({"response_format": schema}).wants.schema == form


def test_sampling_changes_the_plan_and_nothing_else() -> None:
    plain = blueprints.load("cot")
    assert read({}).plan("cot") == plain
    generate = read({"temperature": 0.3, "top_p": 0, "max_tokens": 50}).plan("cot").operators.generate
    assert (generate.temperature, generate.top_p, generate.max_tokens) == (0.3, 0.001, 50)
    assert read({"max_tokens": 10**6}).plan("cot") == plain
    assert read({"max_tokens": 50, "max_completion_tokens": 20}).max_tokens == 20


def test_stops_and_seeds() -> None:
    assert read({"stop": "END"}).stop == ("END",)
    assert read({"stop": ["a", "", "b"]}).stop == ("a", "b")
    assert read({"seed": 7}).seed == 7
    assert 0 <= read({"seed": -(2**63)}).seed < 2**31


def test_what_other_servers_ignore_is_ignored() -> None:
    more = {
        "frequency_penalty": 1,
        "presence_penalty": 0.5,
        "logit_bias": {"5": 1},
        "store": True,
        "metadata": {"a": 1},
    }
    more |= {"service_tier": "auto", "top_k": 5, "logprobs": False, "n": 1, "user": "ann", "nobody": ["knows", {}]}
    chat = read(more)
    assert chat.digest == read({"n": 1, "logprobs": False}).digest
    assert "nobody" not in chat.body


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "user"}]}, "messages[0]", "needs content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]", "tool_call_id"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role", "'tool'"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "a list of text parts"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content", "part 0 has no text"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content", "part 0 is no object"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content", "'image_url'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content",
            "'input_audio'",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "{x}"}]}]}, "messages[0].content", "'{x}'"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages", "no user turn"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages", "empty"),
        ({"n": 2}, "n", "another seed"),
        ({"logprobs": True}, "logprobs", "log-probabilities"),
        ({"functions": [{"name": "f"}]}, "functions", "send tools"),
        ({"modalities": ["text", "audio"]}, "modalities", "text is the only one"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"seed": 2**63}, "seed", "less than"),
        ({"stop": ["a"] * 17}, "stop", "16 texts"),
        ({"stop": 5}, "stop", "give a text"),
        ({"tools": [WEATHER, WEATHER]}, None, "the same name"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type", "'function'"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "pattern"),
        ({"tool_choice": "required"}, None, "no tools"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, None, "no tool 'x'"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice", "name a function"),
        ({"response_format": {"type": "grammar"}}, "response_format", "'json_schema'"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort", "'high'"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_field(fields: dict[str, Any], param: str | None, words: str) -> None:
    told = refusal(fields)
    assert (told.status, told.param) == (422, param), str(told)
    assert words in str(told)
    assert "\n" not in str(told)


def test_a_schema_that_cannot_be_is_refused() -> None:
    wrong = {"type": "function", "function": {"name": "f", "parameters": {"type": "nonsense"}}}
    told = refusal({"tools": [wrong]})
    assert (told.status, told.code) == (422, "unsupported_schema")


@pytest.mark.parametrize("arguments", ["[1]", "{", "5", '"x"', "[" * 100_000])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    told = refusal({"messages": [ASK, {"role": "assistant", "tool_calls": [call]}]})
    assert (told.status, told.param) == (422, "messages[1].tool_calls[0].function.arguments")


def test_an_unknown_model_is_not_found() -> None:
    told = refusal({"model": "mtcs"})
    assert (told.status, told.code, told.param) == (404, "model_not_found", "model")
    assert "'mcts'" in str(told)


def test_a_clients_caps_are_never_above_the_servers() -> None:
    caps = Budget(calls=10, tokens=1000, seconds=60.0)
    asked = {"x-reflectree-max-calls": "4", "x-reflectree-max-tokens": "5000", "x-reflectree-max-usd": "0.5"}
    assert read({}, asked, caps).budget == Budget(calls=4, tokens=1000, usd=0.5, seconds=60.0)
    assert read({}, {}, caps).budget == caps


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "many", "1.5", "1e400", ""])
def test_a_cap_that_is_no_number_is_refused(given: str) -> None:
    if not given:
        assert read({}, {"x-reflectree-max-calls": given}).budget == Budget()
        return
    told = refusal({}, {"x-reflectree-max-calls": given})
    assert (told.status, told.code, told.param) == (422, "invalid_header", "x-reflectree-max-calls")


def test_an_effort_is_a_part_of_the_caps() -> None:
    caps = Budget(calls=10, tokens=1000, usd=1.0, seconds=60.0)
    assert read({"reasoning_effort": "low"}, caps=caps).budget == Budget(2, 250, 1.0, 60.0)
    assert read({"reasoning_effort": "high"}, caps=caps).budget == caps
    assert read({"reasoning_effort": "minimal"}, caps=Budget(calls=1)).budget == Budget(calls=1)


def test_names_of_runs_and_requests() -> None:
    chat = read({}, {"x-reflectree-run": "tuesday.1", "idempotency-key": "a b/c"})
    assert (chat.run_id, chat.idempotency_key) == ("tuesday.1", "a b/c")
    for header, given in [("x-reflectree-run", "../x"), ("x-reflectree-run", "a" * 65), ("idempotency-key", "ä")]:
        assert refusal({}, {header: given}).param == header


def test_the_digest_tells_requests_apart_and_not_how_they_are_sent() -> None:
    assert read({"stream": True, "user": "x"}).digest == read({}).digest
    assert read({"seed": 1}).digest != read({}).digest


def test_a_chat_can_be_restored() -> None:
    headers = {"x-reflectree-run": "r", "idempotency-key": "k", "x-reflectree-max-calls": "8"}
    chat = read({"tools": [WEATHER], "reasoning_effort": "low", "stop": "x", "stream": True}, headers)
    kept = json.loads(json.dumps(chat.body))
    again = restored(kept, chat.budget, OFFERED, run_id=chat.run_id, idempotency_key=chat.idempotency_key)
    assert again == chat
    assert chat.budget.calls == 2


def test_numbers_that_json_does_not_know_are_refused() -> None:
    told = refusal({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"x": float("nan")}}}]})
    assert told.status in (400, 422)
