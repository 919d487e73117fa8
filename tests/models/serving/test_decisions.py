from __future__ import annotations

import json
import math
from typing import Any

import pytest
from tests.models.serving.conftest import Client
from tests.support.fake_scorer import expected

from reflectree.models.scoring.items import Item
from reflectree.models.serving.decisions import on_scale, softmax_of_logits

STATE = "3 * 8 = 24"
PREDICATE = expected(Item("Is it right?", (STATE,)))[0]
ASKED = f"{STATE}\n\nWhich operation?"
CHOICES = softmax_of_logits([expected(Item(ASKED, (text,)))[0] for text in ("times: multiplication", "plus", "true")])


def test_predicates_choices_and_scores_in_one_request(client: Client) -> None:
    body = {
        "model": "fake",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": STATE}]}],
        "questions": [
            {"type": "predicate", "name": "right", "instructions": "Is it right?"},
            {
                "type": "choice",
                "instructions": "Which operation?",
                "choices": [{"value": "times", "description": "multiplication"}, {"value": "plus"}, {"value": True}],
            },
            {
                "type": "score",
                "name": "level",
                "instructions": "Is it right?",
                "levels": [{"label": "no"}, {"label": "half"}, {"label": "yes"}],
            },
        ],
    }
    reply = client.ok("/v1/decisions", body)
    right, operation, level = reply["answers"]
    assert right == {"type": "predicate", "name": "right", "probability": PREDICATE}
    assert (operation["type"], operation["name"]) == ("choice", None)
    assert [row["value"] for row in operation["probabilities"]] == ["times", "plus", True]
    assert [row["probability"] for row in operation["probabilities"]] == pytest.approx(CHOICES)
    assert operation["confidence"] == max(CHOICES)
    assert operation["choice"] == ["times", "plus", True][CHOICES.index(max(CHOICES))]
    assert level["score"] == pytest.approx(2 * PREDICATE)
    shares = [row["probability"] for row in level["probabilities"]]
    assert sum(place * share for place, share in enumerate(shares)) == pytest.approx(level["score"])
    assert [row["label"] for row in level["probabilities"]] == ["no", "half", "yes"]
    assert reply["usage"]["input_tokens"] == reply["usage"]["total_tokens"] > 0
    assert reply["usage"]["input_tokens_details"]["cached_tokens"] == 5


def test_system_one_names_its_questions(client: Client) -> None:
    state = {"work": "3 * 8", "ü": [1, None]}
    body = {
        "state": state,
        "questions": {
            "right": {"type": "noul", "instructions": "Is it right?", "criteria": {"true": "it is 24", "false": None}},
            "kind": {"type": "choice", "criteria": {"times": None, "plus": "addition"}},
            "level": {"type": "score", "instructions": {"ask": "how"}, "criteria": ["low", "high"]},
        },
    }
    text = json.dumps(state, ensure_ascii=False)
    answers = client.ok("/v1/systemone", body)["answers"]
    assert answers["right"] == {
        "type": "noul", "noul": expected(Item("Is it right?\n\ntrue: it is 24", (text,)))[0]
    }  # fmt: skip
    asked = f"{text}\n\nWhich choice fits best?"
    shares = softmax_of_logits([expected(Item(asked, (choice,)))[0] for choice in ("times", "plus: addition")])
    assert list(answers["kind"]["probabilities"].values()) == pytest.approx(shares)
    value = expected(Item('{"ask": "how"}', (text,)))[0]
    assert answers["level"]["score"] == pytest.approx(value)
    assert answers["level"]["legend"] == {"0": "low", "1": "high"}
    assert answers["level"]["probabilities"] == pytest.approx({"0": 1 - value, "1": value})


def test_choices_share_by_odds() -> None:
    assert softmax_of_logits([0.5, 0.5]) == [0.5, 0.5]
    assert softmax_of_logits([0.8, 0.5]) == pytest.approx([0.8, 0.2])
    shares = softmax_of_logits([0.0, 1.0, 1.0])
    assert all(math.isfinite(share) for share in shares)
    assert shares[1:] == pytest.approx([0.5, 0.5], abs=1e-6)


@pytest.mark.parametrize(("value", "levels"), [(0.0, 3), (1.0, 3), (0.3, 5), (0.5, 2), (0.7, 1), (1.0, 1)])
def test_a_value_lies_on_its_scale(value: float, levels: int) -> None:
    shares = on_scale(value, levels)
    assert len(shares) == levels
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1)
    assert sum(place * share for place, share in enumerate(shares)) == pytest.approx(value * (levels - 1))


_ASK: dict[str, Any] = {"type": "predicate", "instructions": "q"}


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/decisions", {"input": "x", "questions": []}, "invalid_field"),
        ("/v1/decisions", {"input": "x", "questions": [_ASK] * 401}, "invalid_field"),
        ("/v1/decisions", {"input": [], "questions": [_ASK]}, "invalid_field"),
        ("/v1/decisions", {"input": " ", "questions": [_ASK]}, "empty_step"),
        ("/v1/decisions", {"input": "x", "questions": [{"type": "box", "instructions": "q"}]}, "invalid_field"),
        (
            "/v1/decisions",
            {"input": "x", "questions": [{"type": "choice", "instructions": "q",
                                          "choices": [{"value": "true"}, {"value": True}]}]},
            "invalid_field",
        ),
        ("/v1/systemone", {"state": "x", "questions": {}}, "invalid_field"),
        ("/v1/systemone", {"state": "x", "questions": {"q": {"type": "noul"}}}, "invalid_field"),
        ("/v1/systemone", {"state": "x", "questions": {"q": {"type": "choice", "criteria": ["a"]}}}, "invalid_field"),
        ("/v1/systemone", {"state": "x", "images": ["data:"], "questions": {"q": {"type": "noul"}}}, "invalid_field"),
    ],
)  # fmt: skip
def test_bad_questions_are_refused(path: str, body: object, code: str, client: Client) -> None:
    client.refused(path, body, 422, code)
