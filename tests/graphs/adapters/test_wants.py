"""What answers may be, and how their texts are read."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from typing import Any

import pytest

from reflectree.graphs.adapters.openai_form import wants_of
from reflectree.graphs.adapters.plain_schema import PlainSchema, TooMuch
from reflectree.graphs.adapters.schemas import check_schema, problem_with
from reflectree.graphs.adapters.wants import Said, ToolSpec, Unreadable, Wants, problem_of, said
from reflectree.rlm_ops.errors import BadInput, MissingExtra

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER, CLOCK = ToolSpec("get_weather", "The weather.", CITY), ToolSpec("clock")
BOTH = Wants((WEATHER, CLOCK))
ROME = '{"tool": "get_weather", "arguments": {"city": "Rome"}}'


def calls(answer: str, wants: Wants = BOTH) -> list[tuple[str, dict[str, Any]]]:
    """The calls an answer makes."""
    return [(call.name, call.arguments) for call in said(answer, wants).tool_calls]


@pytest.mark.parametrize(
    "answer",
    [
        ROME,
        f"```json\n{ROME}\n```",
        f"```\n{ROME}\n```",
        f"[{ROME}]",
        '{"name": "get_weather", "arguments": {"city": "Rome"}}',
        '{"name": "get_weather", "parameters": {"city": "Rome"}}',
        '{"tool": "get_weather", "args": "{\\"city\\": \\"Rome\\"}"}',
        '{"tool_calls": [{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Rome"}}}]}',
        f"\n\n{ROME}\n",
    ],
)
def test_calls_are_read_in_every_usual_dress(answer: str) -> None:
    assert calls(answer) == [("get_weather", {"city": "Rome"})]
    assert said(answer, BOTH).text == ""


def test_the_tags_of_open_models_are_no_words() -> None:
    assert said(f"<tool_call>\n{ROME}\n</tool_call>", BOTH).text == ""


def test_several_calls_stand_on_lines_of_their_own() -> None:
    answer = f'{ROME}\n{{"tool": "clock"}}\n{{"tool": "clock", "arguments": null}}'
    assert calls(answer) == [("get_weather", {"city": "Rome"}), ("clock", {}), ("clock", {})]
    with pytest.raises(Unreadable, match="3 calls, and 1"):
        said(answer, Wants((WEATHER, CLOCK), parallel=False))


def test_what_looks_like_a_call_and_follows_the_schema_is_no_call() -> None:
    person = {"type": "object", "properties": {"name": {"type": "string"}, "input": {"type": "integer"}}}
    wants = Wants((WEATHER,), schema={**person, "required": ["name", "input"]}, json=True)
    assert said('{"name": "Anna", "input": 3}', wants) == Said('{"name": "Anna", "input": 3}')
    assert said('{"name": "get_weather", "input": {"city": "Rome"}}', wants).tool_calls


def test_words_before_calls_are_kept() -> None:
    answer = said(f"I look it up.\n```json\n{ROME}\n```", BOTH)
    assert (answer.text, len(answer.tool_calls)) == ("I look it up.", 1)


@pytest.mark.parametrize(
    "answer",
    [
        "It is sunny.",
        'Send {"city": "Rome"} to it.',
        'Such as {"tool": "hammer", "arguments": {}}.',
        "{not json}",
        "[1, 2]",
    ],
)
def test_words_are_words(answer: str) -> None:
    assert said(answer, BOTH) == Said(answer)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"tool": "get_weather", "arguments": {}}', "'city' is a required property"),
        ('{"tool": "get_weather", "arguments": {"city": 4}}', "not of type 'string'"),
        ('{"tool": "get_weather", "arguments": {"city": "Rome", "days": 0}}', "less than the minimum"),
        ('{"tool": "get_weather", "arguments": {"city": "Rome", "country": "IT"}}', "unexpected"),
        ('{"tool": "get_weather", "arguments": "{broken"}', "no JSON"),
        ('{"tool": "get_weather", "arguments": [1]}', "no JSON object"),
        ('{"tool": "hammer", "arguments": {}}', "calls 'hammer', and may call: get_weather, clock"),
        (ROME + '\n{"tool": "get_weather", "arguments": {}}', "required"),
        (ROME[:-1], "the call of get_weather is no JSON"),
        ('{"tool": "get_weather", "arguments": {"city": NaN}}', "the call of get_weather is no JSON"),
        (f'{ROME}\n{{"tool": "clock", "arguments": {{now}}}}', "the call of clock is no JSON"),
    ],
)
def test_calls_that_are_not_wanted_are_never_let_through(answer: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        said(answer, BOTH)
    assert problem_of(answer, BOTH) is not None


def test_python_is_not_json() -> None:
    with pytest.raises(Unreadable, match="calls no tool"):
        said("{'tool': 'get_weather', 'arguments': {'city': 'Rome'}}", Wants((WEATHER,), "required"))


def test_the_choice_is_kept_to() -> None:
    with pytest.raises(Unreadable, match="calls no tool"):
        said("It is sunny.", Wants((WEATHER,), "required"))
    with pytest.raises(Unreadable, match="may call: clock"):
        said(ROME, Wants((WEATHER, CLOCK), "clock"))
    assert said(ROME, Wants((WEATHER,), "none")) == Said(ROME)
    assert said(ROME, Wants()) == Said(ROME)


def test_ids_follow_from_the_run_and_the_place() -> None:
    answer = f"{ROME}\n{ROME}"
    first, second = said(answer, BOTH, "run-1").tool_calls
    assert first.id != second.id
    assert [call.id for call in said(answer, BOTH, "run-1").tool_calls] == [first.id, second.id]
    assert said(answer, BOTH, "run-2").tool_calls[0].id != first.id


def test_json_is_held_to_its_schema() -> None:
    wants = Wants(schema=CITY)
    assert json.loads(said('```json\n{"city": "Zürich"}\n```', wants).text) == {"city": "Zürich"}
    assert said('Here it is: {"city": "Rome"}', wants).text == '{"city": "Rome"}'
    for answer, why in (("no", "no JSON"), ('{"city": 1}', "schema"), ('{"city": "a"} {"city": "b"}', "2 JSON")):
        with pytest.raises(Unreadable, match=why):
            said(answer, wants)
    assert said("[1]", Wants(schema={"type": "array"})).text == "[1]"
    assert said("3", Wants(schema={"type": "integer"})).text == "3"


def test_a_json_object_is_an_object() -> None:
    assert said('{"a": 1}', Wants(json=True)).text == '{"a": 1}'
    with pytest.raises(Unreadable, match="no JSON object"):
        said("[1]", Wants(json=True))
    with pytest.raises(Unreadable, match="no JSON value"):
        said('{"a": NaN}', Wants(json=True))


def test_calls_and_a_schema_go_together() -> None:
    wants = Wants((WEATHER,), schema={"type": "object", "required": ["warm"]})
    assert said(ROME, wants).tool_calls
    assert said('{"warm": true}', wants).text == '{"warm": true}'
    with pytest.raises(Unreadable, match="schema"):
        said('{"cold": true}', wants)


@pytest.mark.parametrize("answer", ["{" * 50_000, "[" * 50_000, '{"a":' * 20_000 + "1" + "}" * 20_000, '{"' * 30_000])
def test_hostile_answers_are_unreadable_at_once(answer: str) -> None:
    assert problem_of(answer, Wants(json=True)) is not None
    assert problem_of(answer, Wants((WEATHER,), "required")) is not None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"tools": (ToolSpec("a b"),)}, "a name is letters"),
        ({"tools": (ToolSpec("a"), ToolSpec("a"))}, "a name of its own"),
        ({"tools": (ToolSpec("a"),), "choice": "b"}, "tool choice 'b'"),
        ({"choice": "required"}, "there are no tools"),
        ({"schema": {"type": "nothing"}}, "response format: the schema is no JSON schema"),
        ({"schema": {"$ref": "file:///etc/passwd"}}, "refers outside"),
        ({"schema": {"$ref": "#/$defs/missing"}}, "cannot be applied"),
        ({"schema": {"$ref": "#"}}, "refers to itself"),
        ({"schema": []}, "a JSON schema is an object"),
        ({"schema": {"const": object()}}, "is not JSON"),
        ({"schema": {"description": "x" * 300_000}}, "characters"),
        ({"schema": {"type": "string", "pattern": "(a+)+$"}}, "repeats what repeats"),
        ({"schema": {"type": "string", "pattern": "("}}, "no regular expression"),
        ({"tools": tuple(ToolSpec(f"t{number}") for number in range(200))}, "128 are allowed"),
    ],
)
def test_wants_that_cannot_be_are_refused_at_once(given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        Wants(**given)


def test_ordinary_patterns_are_held_to() -> None:
    schema = {"type": "string", "pattern": r"^(\d{3})-?[a-z]+(x|y)?$"}
    check_schema(schema, "schema")
    assert problem_with("123-ab", schema) is None
    assert problem_with("12-ab", schema) is not None


PLAIN: list[tuple[dict[str, Any], Any, bool]] = [
    (CITY, {"city": "Rome"}, True),
    (CITY, {"city": "Rome", "days": 2.0}, True),
    (CITY, {"city": "Rome", "days": True}, False),
    (CITY, {"days": 1}, False),
    (CITY, {"city": "Rome", "x": 1}, False),
    ({"enum": ["a", "b"]}, "c", False),
    ({"type": ["string", "null"]}, None, True),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 3, False),
    ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, 3, False),
    ({"allOf": [{"type": "integer"}, {"maximum": 4}]}, 3, True),
    ({"type": "array", "items": {"$ref": "#/$defs/x"}, "$defs": {"x": {"const": 1}}}, [1, 1], True),
    ({"type": "array", "items": {"$ref": "#/$defs/x"}, "$defs": {"x": {"const": 1}}}, [1, 2], False),
    ({"type": "array", "maxItems": 1}, [1, 2], False),
    ({"type": "string", "minLength": 2}, "a", False),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "b"}, False),
]


@pytest.mark.parametrize(("schema", "value", "fits"), PLAIN)
def test_the_check_without_a_library_agrees_with_the_library(schema: dict[str, Any], value: Any, fits: bool) -> None:
    assert (PlainSchema(schema, "schema").problem(value) is None) is fits
    assert (problem_with(value, schema) is None) is fits


def test_without_the_library_what_is_not_checked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    from reflectree.graphs.adapters import schemas

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    schemas._validator.cache_clear()
    try:
        assert said(ROME, BOTH).tool_calls
        with pytest.raises(MissingExtra, match=r"reflectree\[verify\]"):
            Wants(schema={"type": "object", "patternProperties": {"a": {}}})
    finally:
        schemas._validator.cache_clear()


def test_openai_s_form_means_the_same() -> None:
    function = {"name": "get_weather", "description": "The weather.", "parameters": CITY}
    tools = [{"type": "function", "function": function}]
    assert wants_of(tools) == Wants((WEATHER,))
    assert wants_of(tools, {"type": "function", "function": {"name": "get_weather"}}).choice == "get_weather"
    assert wants_of(tools, "any", False) == Wants((WEATHER,), "required", False)
    assert not wants_of(tools, "none")
    assert wants_of(response_format={"type": "json_object"}) == Wants(json=True)
    assert wants_of(response_format={"type": "text"}) == Wants()
    schema = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
    assert wants_of(response_format=schema).schema == CITY


@pytest.mark.parametrize(
    "given",
    [
        {"tools": ["get_weather"]},
        {"tools": [{"type": "function", "function": {"description": "x"}}]},
        {"tools": [{"type": "function", "function": {"name": "x", "description": 3}}]},
        {"tools": [{"type": "function", "function": {"name": "x", "parameters": []}}]},
        {"tool_choice": {"name": "x"}},
        {"response_format": "json"},
        {"response_format": {"type": "json_schema"}},
    ],
)
def test_what_is_not_of_that_form_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        wants_of(**given)


def test_a_schema_whose_choices_multiply_is_refused_and_never_hangs() -> None:
    twice = {f"a{at}": {"anyOf": [{"$ref": f"#/$defs/a{at + 1}"}] * 2} for at in range(40)} | {
        "a40": {"type": "string"}
    }
    with pytest.raises(BadInput, match="too many steps"):
        check_schema({"$ref": "#/$defs/a0", "$defs": twice}, "schema")
    inside = {"type": "object", "properties": {"x": twice["a0"]}, "$defs": twice}
    check_schema(inside, "schema")
    assert problem_with({"x": 1}, inside) == "it is too large, or too deep, to be held to its schema"
    with pytest.raises(TooMuch):
        PlainSchema({"$ref": "#/$defs/a0", "$defs": twice}, "schema").problem({})
    with pytest.raises(BadInput, match="below the top"):
        check_schema({"properties": {"x": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}}, "schema")


def test_an_answer_that_is_nested_without_end_is_wrong_and_no_error() -> None:
    deep: Any = {}
    for _ in range(900):
        deep = {"x": deep}
    assert problem_with(deep, {"type": "object", "properties": {"x": {"$ref": "#"}}}) is not None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^" + "a?" * 60 + "a" * 60 + "$", "a" * 60),
        ("^" + "a*" * 12 + "b$", "a" * 500),
        ("a*" * 12 + "b$", "a" * 500),
        ("^(a?){60}a{60}$", "a" * 60),
    ],
)
def test_a_pattern_that_tries_too_many_ways_refuses_the_text_at_once(pattern: str, text: str) -> None:
    begun = time.monotonic()
    try:
        check_schema({"pattern": pattern}, "schema")
        assert problem_with(text, {"pattern": pattern}) is not None
        assert problem_with({text: 1}, {"patternProperties": {pattern: {}}, "additionalProperties": False}) is not None
    except BadInput:
        pass
    assert time.monotonic() - begun < 20


def test_usual_patterns_hold_usual_texts() -> None:
    email = {"pattern": r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$"}
    assert problem_with("a.b@" + "c" * 200 + ".example", email) is None
    assert problem_with("a.b" * 200, email) is not None
    assert (
        problem_with("2026-01-02T03:04:05Z", {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"})
        is None
    )
    assert problem_with("x" * 100_000, {"pattern": r"^[\w ]+$"}) is None


def test_the_schemas_of_all_tools_together_are_bounded() -> None:
    large = {"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(700)}}
    with pytest.raises(BadInput, match="together"):
        Wants(tools=tuple(ToolSpec(f"t{at}", "", large) for at in range(20)))
