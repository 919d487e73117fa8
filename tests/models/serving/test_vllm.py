from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import pytest
from tests.models.serving.conftest import Client, Start
from tests.support.fake_scorer import FakeScorer, expected

from reflectree.models.scoring.items import Item
from reflectree.models.serving.conversation import STEP_BY_STEP

TURNS = [{"role": "user", "content": "Make 24."}, {"role": "assistant", "content": "3 * 8<extra_0>is 24<extra_0>"}]


def test_pooling_gives_two_classes_a_step(client: Client) -> None:
    reply = client.ok("/pooling", {"model": "fake", "messages": TURNS, "task": "token_classify"})
    scores = expected(Item("Make 24.", ("3 * 8", "is 24")))
    assert reply["data"] == [{"index": 0, "object": "pooling", "data": [[1 - score, score] for score in scores]}]
    assert reply["object"] == "list"
    assert reply["id"].startswith("pool-")
    assert set(reply) == {"id", "object", "created", "model", "data", "usage"}


def test_reward_hubs_client_reads_its_own_steps(start: Start) -> None:
    """The request and the reading of reward_hub 0.1.10 (openai/reward.py and openai/vllm_client.py), step by step."""
    client = start(name="Qwen/Qwen2.5-Math-PRM-7B")
    solution = "First, 3 * 8 = 24.\n\nThat is it.\n\nSo the answer is 24."

    def post_request(messages: list[dict[str, str]]) -> Any:
        payload = {"model": "Qwen/Qwen2.5-Math-PRM-7B", "messages": messages}
        return client.http.post(urljoin(client.url, "pooling"), json=payload).json()

    steps = solution.split("\n\n")
    system = [{"role": "system", "content": STEP_BY_STEP}]
    last = [{"role": "assistant", "content": "<extra_0>".join(steps) + "<extra_0>"}]
    outputs = [post_request([*system, {"role": "user", "content": "Make 24."}, *last]) for _ in range(2)]
    scores = [[step[-1] for step in output["data"][0]["data"]] for output in outputs]
    assert scores == [list(expected(Item("Make 24.", tuple(steps))))] * 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("3 * 8 is 24", "no_step_tag"),
        ("3 * 8<extra_1>is 24", "no_step_tag"),
        ("3 * 8<extra_0>is 24", "text_after_last_tag"),
        ("3 * 8<extra_0> <extra_0>", "empty_step"),
        ("<extra_0>", "empty_step"),
    ],
)
def test_steps_that_are_not_ended_by_their_tag_are_refused(content: str, code: str, client: Client) -> None:
    turns = [TURNS[0], {"role": "assistant", "content": content}]
    assert client.refused("/pooling", {"messages": turns}, 422, code)["param"] == "messages"


def test_the_tag_is_the_servers(start: Start) -> None:
    client = start(step_tag=" ки\n")
    turns = [TURNS[0], {"role": "assistant", "content": "3 * 8 ки\nis 24<extra_0> ки\n"}]
    [row] = client.ok("/pooling", {"messages": turns})["data"]
    assert [good for _, good in row["data"]] == list(expected(Item("Make 24.", ("3 * 8", "is 24<extra_0>"))))


def test_a_model_of_the_whole_gives_one_pair_and_needs_no_tag(start: Start) -> None:
    client = start(FakeScorer(kind="sequence-classifier", per_step=False))
    turns = [TURNS[0], {"role": "assistant", "content": "3 * 8 is 24"}]
    value = expected(Item("Make 24.", ("3 * 8 is 24",)))[0]
    assert client.ok("/pooling", {"messages": turns})["data"][0]["data"] == [[1 - value, value]]
    [row] = client.ok("/classify", {"messages": turns})["data"]
    label = "good" if value >= 0.5 else "bad"
    assert row == {"index": 0, "label": label, "probs": [1 - value, value], "num_classes": 2}


def test_classify_reads_the_whole_with_or_without_tags(client: Client) -> None:
    for content, steps in (("3 * 8<extra_0>is 24<extra_0>", ("3 * 8", "is 24")), ("3 * 8 is 24", ("3 * 8 is 24",))):
        turns = [TURNS[0], {"role": "assistant", "content": content}]
        [row] = client.ok("/classify", {"messages": turns})["data"]
        assert row["probs"][1] == expected(Item("Make 24.", steps))[-1]


def test_plain_texts_are_questions(client: Client) -> None:
    for path in ("/pooling", "/classify", "/v1/classify"):
        rows = client.ok(path, {"input": ["one text", "another"], "user": "me", "truncate_prompt_tokens": None})["data"]
        found = [row["data"][0][1] if path == "/pooling" else row["probs"][1] for row in rows]
        assert found == [expected(Item(text))[0] for text in ("one text", "another")]
    assert client.refused("/pooling", {"input": ["q", "a<extra_0>"]}, 422, "no_question")["param"] == "input[1]"


def test_score_takes_one_query_for_all_or_one_for_each(client: Client) -> None:
    def scores(body: Any) -> list[float]:
        return [row["score"] for row in client.ok("/v1/score", body)["data"]]

    one = [expected(Item("q", (text,)))[0] for text in ("a", "b")]
    assert scores({"queries": "q", "documents": ["a", "b"]}) == one
    assert scores({"text_1": ["q", "q"], "text_2": ["a", "b"]}) == one
    assert scores({"queries": "q", "documents": "a"}) == one[:1]
    refused = client.refused("/score", {"queries": ["q", "q"], "documents": ["a", "b", "c"]}, 422, "length_mismatch")
    assert refused["param"] == "queries"
    refused = client.refused("/score", {"queries": "q", "documents": ["a", ""]}, 422, "empty_step")
    assert refused["param"] == "documents[1]"


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("/pooling", {}, "invalid_field", None),
        ("/pooling", {"messages": []}, "empty_conversation", "messages"),
        ("/pooling", {"messages": TURNS, "input": "q"}, "invalid_field", None),
        ("/pooling", {"input": "q", "truncate_prompt_tokens": 5}, "invalid_field", "truncate_prompt_tokens"),
        ("/pooling", {"input": "q", "use_activation": False}, "invalid_field", "use_activation"),
        ("/pooling", {"input": "q", "task": "embed"}, "invalid_field", "task"),
        ("/classify", {"input": [["tokens"]]}, "invalid_field", None),
        ("/score", {"queries": "q"}, "invalid_field", None),
        ("/score", {"queries": "q", "documents": "a", "text_1": "q"}, "invalid_field", None),
    ],
)
def test_what_would_be_guessed_is_refused(
    path: str, body: object, code: str, param: str | None, client: Client
) -> None:
    error = client.refused(path, body, 422, code)
    if param:
        assert error["param"] == param
