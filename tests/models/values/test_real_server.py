"""Every client that can ask our value server asks it, over HTTP, with a scorer whose scores are known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.models.values.rig import QUICK, path
from tests.support.fake_scorer import FakeScorer, expected

from reflectree.graphs.run import asolve
from reflectree.models.base import RewardModel
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.resolve_values import check_values, value_model
from reflectree.models.scoring.items import Scored, item_of
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.limits import Limits
from reflectree.models.serving.run import serving
from reflectree.models.serving.service import Service
from reflectree.models.values.server import ServerValues
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import ModelError
from reflectree.rlm_ops.events import Evaluated, Failed
from reflectree.rlm_ops.structure import fold


@contextmanager
def served(scorer: FakeScorer | None = None, **options: Any) -> Iterator[str]:
    engine = ScoringEngine(scorer or FakeScorer())
    try:
        with serving(Service(engine, **options)) as url:
            yield url
    finally:
        engine.close(False)


def test_the_native_client() -> None:
    async def work(model: Any) -> None:
        paths = [path(f"step {n}", "and on") for n in range(30)]
        found = await asyncio.gather(*(model.score_steps([one]) for one in paths))
        assert [one[0] for one in found] == [pytest.approx(list(expected(item_of(one)))) for one in paths]
        assert "answers; models: fake" in await check_values(model)
        assert isinstance(model, ServerValues)
        assert (model.dialect.kind, model.dialect.per_step) == ("value-head", True)
        (chance,) = await model.prefer([(paths[0], paths[1])])
        ours, theirs = (expected(item_of(one))[-1] for one in paths[:2])
        assert chance == pytest.approx((1 + ours - theirs) / 2)
        assert model.tally.failed == 0
        assert (model.tally.items, model.tally.requests) == (32, 2)
        await model.aclose()

    scorer = FakeScorer()
    with served(scorer) as url:
        asyncio.run(work(value_model(url, retries=QUICK)))
        assert len(scorer.passes) < 10


def test_what_the_server_refuses_fails_alone() -> None:
    async def work(model: Any) -> None:
        paths = [
            path("good"),
            path("#refuse"),
            path("fine"),
            path(" "),
            path("w " * 300),
            path("x", question="#nan"),
            path("last"),
        ]
        results = await model.score_each(paths)
        assert [isinstance(one, Scored) for one in results] == [True, False, True, False, False, False, True]
        said = [str(one) for one in results if isinstance(one, ModelError)]
        for words, message in zip(("step tag", "is empty", "more than the model's", "no number"), said, strict=True):
            assert words in message
        await model.aclose()

    with served() as url:
        asyncio.run(work(value_model(url, retries=QUICK)))


def test_the_servers_limits_are_kept_to() -> None:
    async def work(model: Any) -> None:
        paths = [path(f"step {n}") for n in range(40)]
        assert await model.score(paths) == [pytest.approx(expected(item_of(one))[-1]) for one in paths]
        await model.aclose()

    with served(limits=Limits(items=7)) as url:
        asyncio.run(work(value_model(url, retries=QUICK)))


@pytest.mark.parametrize(("name", "step_scores"), [("vllm-pooling/fake", True), ("vllm-classify/fake", False)])
def test_clients_of_vllm(name: str, step_scores: bool) -> None:
    async def work(model: Any) -> None:
        one = path("a b", "c")
        (result,) = await model.score_each([one])
        assert isinstance(result, Scored)
        assert isinstance(model, RewardModel) == step_scores
        if step_scores:
            assert result.steps == pytest.approx(expected(item_of(one)))
        assert "answers; models: fake" in await check_values(model)
        await model.aclose()

    with served(FakeScorer("value-head" if step_scores else "sequence-classifier", step_scores)) as url:
        asyncio.run(work(value_model(name, base_url=url, retries=QUICK)))


def test_decisions() -> None:
    async def work(model: Any) -> None:
        (value,) = await model.score([path("a", "b")])
        assert 0 < value < 1
        await model.aclose()

    with served() as url:
        asyncio.run(work(value_model("decisions/fake", base_url=url, retries=QUICK)))


def test_a_key_is_sent_and_a_wrong_one_told() -> None:
    async def work(url: str) -> None:
        good = value_model(url, api_key="key-123456", retries=QUICK)
        assert len(await good.score([path("a")])) == 1
        await good.aclose()
        wrong = value_model(url, retries=QUICK)
        assert "refused the key (401); set REFLECTREE_VALUE_API_KEY" in await check_values(wrong)
        await wrong.aclose()

    with served(api_key="key-123456") as url:
        asyncio.run(work(url))


@pytest.mark.parametrize("blueprint", ["mcts", "beam", "best-of-n", "llama-berry"])
def test_a_whole_search_by_the_name_of_the_server(blueprint: str) -> None:
    policy = ScriptedPolicy([f"step {n}" if n % 3 else f"Answer: {n % 4}" for n in range(200)])

    async def work(url: str) -> None:
        result = await asyncio.wait_for(
            asolve("What is 6 times 7?", blueprint=blueprint, policy=policy, evaluator=url, budget=Budget(calls=20)), 30
        )
        assert result.answer is not None
        assert not [event for event in result.trace if isinstance(event, Failed) and event.of == "evaluate"]
        structure = fold(result.trace)
        values = [event for event in result.trace if isinstance(event, Evaluated) and event.source == "value-model"]
        for event in values:
            if event.against < 0:
                assert event.value == pytest.approx(min(expected(item_of(structure.path(event.node)))[-1], 0.99))
        assert blueprint == "llama-berry" or values

    with served() as url:
        asyncio.run(work(url))
