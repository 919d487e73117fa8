from __future__ import annotations

import math

import pytest
from tests.models.serving.conftest import Client
from tests.support.fake_scorer import expected

from reflectree.models.scoring.items import Item


def test_each_item_gets_its_value_its_steps_and_its_tokens(client: Client) -> None:
    body = {
        "model": "fake",
        "items": [
            {"question": "Make 24.", "steps": ["3 * 8 = 24", "so 24\n\nand done"]},
            {"messages": [{"role": "user", "content": "Make 24."}], "steps": ["3 + 8 = 11"]},
            {"question": "Make 24."},
        ],
    }
    reply = client.ok("/v1/value", body)
    whole = expected(Item("Make 24.", ("3 * 8 = 24", "so 24\n\nand done")))
    assert reply["data"][0] == {
        "index": 0, "value": whole[-1], "steps": list(whole), "n_tokens": 11, "cached_tokens": 1
    }  # fmt: skip
    assert reply["data"][1]["steps"] == list(expected(Item("Make 24.", ("3 + 8 = 11",))))
    assert reply["data"][2]["value"] == expected(Item("Make 24."))[0]
    assert (reply["object"], reply["model"]) == ("list", "fake")
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["total_tokens"] == 11 + 7 + 2
    assert reply["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}


@pytest.mark.parametrize("how", ["model", "last", "min", "prod", "mean"])
def test_the_value_is_reduced_as_asked(how: str, client: Client) -> None:
    steps = ("a", "b", "c")
    scores = expected(Item("q", steps))
    by = {"model": scores[-1], "last": scores[-1], "min": min(scores), "prod": math.prod(scores),
          "mean": sum(scores) / 3}  # fmt: skip
    body = {"items": [{"question": "q", "steps": steps}], "reduce": how, "return": "value"}
    [row] = client.ok("/v1/value", body)["data"]
    assert row["value"] == pytest.approx(by[how], abs=1e-12)
    assert "steps" not in row


def test_no_text_is_split(client: Client) -> None:
    """What other protocols would split at is part of a step here."""
    step = "first\n\nsecond<extra_0>third ки\nfourth"
    [row] = client.ok("/v1/value", {"items": [{"question": "q", "steps": [step]}]})["data"]
    assert row["steps"] == list(expected(Item("q", (step,))))


def test_a_conversation_becomes_one_question(client: Client) -> None:
    turns = [
        {"role": "system", "content": "Use integers."},
        {"role": "user", "content": [{"type": "text", "text": "Make "}, {"type": "text", "text": "24."}]},
    ]
    longer = [*turns, {"role": "assistant", "content": "Of what?"}, {"role": "user", "content": "3 and 8."}]
    rows = client.ok("/v1/value", {"items": [{"messages": turns}, {"messages": longer}]})["data"]
    assert rows[0]["value"] == expected(Item("Use integers.\n\nMake 24."))[0]
    told = "system: Use integers.\n\nuser: Make 24.\n\nassistant: Of what?\n\nuser: 3 and 8."
    assert rows[1]["value"] == expected(Item(told))[0]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "invalid_field", "items"),
        ({"items": []}, "invalid_field", "items"),
        ({"items": [{"question": "q", "steps": "one text"}]}, "invalid_field", "items[0].steps"),
        ({"items": [{"question": 3}]}, "invalid_field", "items[0].question"),
        ({"items": [{"question": "q", "step": ["a"]}]}, "unknown_field", "items[0].step"),
        ({"items": [{"question": "q", "messages": [{"role": "user", "content": "q"}]}]}, "invalid_field", "items[0]"),
        ({"items": [{"steps": ["a"]}]}, "invalid_field", "items[0]"),
        ({"items": [{"messages": []}]}, "invalid_field", "items[0].messages"),
        ({"items": [{"messages": [{"role": "robot", "content": "q"}]}]}, "invalid_field", "items[0].messages[0].role"),
        ({"items": [{"question": "q"}], "reduce": "max"}, "invalid_field", "reduce"),
        ({"items": [{"question": "q"}], "return": "tokens"}, "invalid_field", "return"),
        ({"items": [{"question": "q"}], "truncate": True}, "unknown_field", "truncate"),
        ({"items": [{"question": "q"}, {"question": "q", "steps": ["a", " \n"]}]}, "empty_step", "items[1]"),
        ({"items": [{"question": "q"}, {"question": "#refuse"}]}, "step_tag_in_text", "items[1]"),
        ({"items": [{"question": "word " * 300}]}, "context_overflow", "items[0]"),
        ({"items": [{"question": "q"}, {"question": "#nan"}]}, "not_a_number", "items[1]"),
    ],
)
def test_what_cannot_be_scored_is_named(body: object, code: str, param: str, client: Client) -> None:
    assert client.refused("/v1/value", body, 422, code)["param"] == param
