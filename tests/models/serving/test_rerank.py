from __future__ import annotations

from typing import Any

import pytest
from tests.models.serving.conftest import Client
from tests.support.fake_scorer import expected

from reflectree.models.scoring.items import Item

TEXTS = ["it is 23", "it is 24", "perhaps 25", "no idea"]
VALUES = [expected(Item("Make 24.", (text,)))[0] for text in TEXTS]
ORDER = sorted(range(4), key=lambda index: -VALUES[index])


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_solutions_come_by_value(path: str, client: Client) -> None:
    body = {"model": "fake", "query": "Make 24.", "documents": [*TEXTS[:3], {"text": TEXTS[3]}]}
    reply = client.ok(path, body)
    assert reply["results"] == [
        {"index": index, "document": {"text": TEXTS[index]}, "relevance_score": VALUES[index]} for index in ORDER
    ]
    assert reply["usage"]["total_tokens"] == reply["meta"]["tokens"]["input_tokens"] > 0
    short = client.ok(path, {**body, "top_n": 2, "return_documents": False})["results"]
    assert short == [{"index": index, "relevance_score": VALUES[index]} for index in ORDER[:2]]


def test_teis_shape_is_a_list(client: Client) -> None:
    body: dict[str, Any] = {"query": "Make 24.", "texts": TEXTS, "raw_scores": False, "truncate": False}
    assert client.ok("/rerank", body) == [{"index": index, "score": VALUES[index]} for index in ORDER]
    first = client.ok("/rerank", {**body, "return_text": True, "truncation_direction": "Right"})[0]
    assert first == {"index": ORDER[0], "score": VALUES[ORDER[0]], "text": TEXTS[ORDER[0]]}


def test_predict_takes_a_text_a_pair_or_lists_of_them(client: Client) -> None:
    text, pair = expected(Item("a text"))[0], expected(Item("Make 24.", ("it is 24",)))[0]
    assert client.ok("/predict", {"inputs": "a text"}) == [{"score": text, "label": "good"}]
    assert client.ok("/predict", {"inputs": ["Make 24.", "it is 24"]}) == [{"score": pair, "label": "good"}]
    rows = client.ok("/predict", {"inputs": [["a text"], ["Make 24.", "it is 24"]]})
    assert [row[0]["score"] for row in rows] == [text, pair]


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("/rerank", {"query": "q"}, "invalid_field", None),
        ("/rerank", {"query": "q", "documents": ["a"], "texts": ["a"]}, "invalid_field", None),
        ("/rerank", {"query": "q", "documents": []}, "invalid_field", "documents"),
        ("/rerank", {"query": "q", "documents": ["a"], "top_n": 0}, "invalid_field", "top_n"),
        ("/rerank", {"query": "q", "documents": ["a", " "]}, "empty_step", "documents[1]"),
        ("/rerank", {"query": "q", "texts": ["a"], "truncate": True}, "invalid_field", "truncate"),
        ("/rerank", {"query": "q", "documents": ["a"], "max_tokens_per_doc": 9}, "unknown_field", "max_tokens_per_doc"),
        ("/predict", {"inputs": ["a", "b", "c"]}, "invalid_field", None),
        ("/predict", {"inputs": [["a", "#refuse"], ["b"]]}, "step_tag_in_text", "inputs[0]"),
        ("/predict", {"inputs": "a", "raw_scores": True}, "invalid_field", "raw_scores"),
    ],
)
def test_bad_bodies_are_named(path: str, body: object, code: str, param: str | None, client: Client) -> None:
    error = client.refused(path, body, 422, code)
    if param:
        assert error["param"] == param
