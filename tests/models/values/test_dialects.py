"""vLLM, Text Embeddings Inference and decisions: what is asked, what is read, what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.models.values.rig import client, path
from tests.support.value_loopback import ValueLoopback, value_of

from reflectree.models.base import RewardModel
from reflectree.models.resolve_values import check_values
from reflectree.models.scoring.items import Item, Scored
from reflectree.models.values.decisions import DecisionDialect
from reflectree.models.values.reading import NoScore, Result
from reflectree.models.values.tei import PredictDialect
from reflectree.models.values.vllm import ClassifyDialect, PoolingDialect
from reflectree.models.wire import Malformed
from reflectree.rlm_ops.errors import ModelError, ModelRejected


def asked(name: str, *paths: Any, **server: Any) -> tuple[list[Result], ValueLoopback]:
    """What a client of that name says of the paths."""

    async def work() -> tuple[list[Result], ValueLoopback]:
        async with ValueLoopback(**server) as loopback:
            model = client(loopback, name)
            results = await asyncio.wait_for(model.score_each(paths), 20)
            await model.aclose()
            return results, loopback

    return asyncio.run(work())


def values(results: list[Result]) -> list[float]:
    return [result.value for result in results if isinstance(result, Scored)]


def test_vllm_pooling_reads_the_last_class_at_each_tag() -> None:
    results, server = asked("vllm-pooling/m", path("a", "b"))
    assert server.bodies == [
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "Q?"},
                {"role": "assistant", "content": "a<extra_0>b<extra_0>"},
            ],
            "task": "token_classify",
        }
    ]
    (result,) = results
    assert isinstance(result, Scored)
    assert result.steps == (value_of("Q?", ["a"]), value_of("Q?", ["a", "b"]))
    assert (result.value, result.tokens) == (value_of("Q?", ["a", "b"]), 5)


def test_vllm_pooling_sends_what_can_be_asked_and_each_alone() -> None:
    results, server = asked("vllm-pooling/m", path("a"), path("b <extra_0>"), path(), path("c"), path("d"))
    assert values(results) == [value_of("Q?", [name]) for name in "acd"]
    assert [str(result) for result in results if isinstance(result, ModelError)] == [
        "a text contains the step tag '<extra_0>': the server would count it",
        "there is no step to score",
    ]
    assert len(server.bodies) == 3
    assert server.most_in_flight >= 1


def test_vllm_pooling_with_another_step_tag_and_a_system_turn() -> None:
    dialect = PoolingDialect(step_tag=" ки\n", system="Be strict.")
    body = dialect.body("m", [Item("Q?", ("a",))])
    assert body["messages"] == [
        {"role": "system", "content": "Be strict."},
        {"role": "user", "content": "Q?"},
        {"role": "assistant", "content": "a ки\n"},
    ]


@pytest.mark.parametrize(
    ("fault", "message"), [("many", "3 scores for 2 steps: is its step tag right"), ("nan", "nan")]
)
def test_vllm_pooling_with_another_number_of_scores_is_no_score(fault: str, message: str) -> None:
    (result,), server = asked("vllm-pooling/m", path("a", "b"), faults=[fault])
    assert isinstance(result, NoScore)
    assert message in str(result)
    assert len(server.bodies) == 1


def test_a_server_without_classes_is_malformed() -> None:
    items = [Item("Q?", ("a",))]
    bodies: list[Any] = [{}, {"data": []}, {"data": [{}]}, {"data": [{"data": 0.5}]}, []]
    for data in bodies:
        with pytest.raises(Malformed):
            PoolingDialect().read(data, items, "there")
    for data in ({}, {"data": [{"probs": None}]}):
        with pytest.raises(Malformed):
            ClassifyDialect().read(data, items, "there")
    assert values(PoolingDialect().read({"data": [{"data": [0.25]}]}, items, "there")) == [0.25]
    (empty,) = ClassifyDialect().read({"data": [{"probs": []}]}, items, "there")
    assert isinstance(empty, NoScore)


def test_vllm_classify_scores_the_whole() -> None:
    results, server = asked("vllm-classify/m", path("a", "b"), path("c"))
    assert values(results) == [value_of("Q?", ["a\nb"]), value_of("Q?", ["c"])]
    assert server.bodies[0]["messages"][-1] == {"role": "assistant", "content": "a\nb"}


def test_a_model_of_the_whole_is_no_reward_model() -> None:
    async def work() -> None:
        async with ValueLoopback() as server:
            assert isinstance(client(server, "vllm-pooling/m"), RewardModel)
            for name in ("vllm-classify/m", "tei", "decisions/m"):
                model = client(server, name)
                assert not isinstance(model, RewardModel)
                assert "answers; models: m" in await check_values(model)
                await model.aclose()

    asyncio.run(work())


def test_tei_scores_pairs_in_batches() -> None:
    results, server = asked("tei", *(path(f"s{n}") for n in range(40)), path("a", "b"), path())
    assert values(results)[:2] == [value_of("Q?", ["s0"]), value_of("Q?", ["s1"])]
    assert values(results)[-2:] == [value_of("Q?", ["a\nb"]), value_of("Q?", [])]
    assert server.sizes == [32, 10]
    assert server.bodies[0]["inputs"][0] == ["Q?", "s0"]
    assert server.bodies[1]["inputs"][-1] == ["Q?"]
    assert (server.bodies[0]["truncate"], server.bodies[0]["raw_scores"]) == (False, False)


def test_tei_is_told_or_finds_out_which_class_is_good() -> None:
    item = [Item("Q?", ("a",))]

    def read(dialect: PredictDialect, *labels: str) -> Result:
        row = [{"label": label, "score": 0.1 * (n + 1)} for n, label in enumerate(labels)]
        return dialect.read([row], item, "there")[0]

    for labels in (("LABEL_1", "LABEL_0"), ("correct", "wrong"), ("only",)):
        result = read(PredictDialect(), *labels)
        assert isinstance(result, Scored)
        assert result.value == pytest.approx(0.1)
    named = read(PredictDialect("fine"), "LABEL_1", "fine")
    assert isinstance(named, Scored)
    assert named.value == pytest.approx(0.2)
    for dialect, labels in ((PredictDialect(), ("up", "down")), (PredictDialect("x"), ("up", "down"))):
        lost = read(dialect, *labels)
        assert isinstance(lost, NoScore)
        assert "The server has: up, down" in str(lost)
    assert isinstance(PredictDialect().read([None], item, "there")[0], NoScore)


def test_decisions_ask_one_predicate_of_what_is_only_data() -> None:
    results, server = asked("decisions/m", path("a", "b"), path("refuse"))
    body = server.bodies[0]
    assert body["input"] == "Question:\nQ?\n\nSolution so far:\n1. a\n2. b"
    assert [question["type"] for question in body["questions"]] == ["predicate"]
    good, refusal = results
    assert isinstance(good, Scored)
    assert (good.value, good.tokens) == (value_of(body["input"], ()), 7)
    assert isinstance(refusal, NoScore)
    assert "refused to judge" in str(refusal)
    with pytest.raises(Malformed):
        DecisionDialect().read({"answers": [{"type": "predicate"}]}, [Item("Q?")], "there")


@pytest.mark.parametrize("dialect", [PoolingDialect(), ClassifyDialect(), PredictDialect(), DecisionDialect()])
def test_who_scores_one_solution_cannot_compare_two(dialect: Any) -> None:
    with pytest.raises(ModelRejected, match="cannot compare"):
        dialect.check(Item("Q?", ("a",), ("b",)))
