"""Designs on a local Ray cluster: the outcomes and the bill of one process, within the same caps."""

from __future__ import annotations

import pytest

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs import blueprints
from reflectree.graphs.design_search import families
from reflectree.graphs.design_search.cache import Cache
from reflectree.graphs.design_search.evaluator import DesignEvaluator
from reflectree.graphs.design_search.examples import Bench, Examples
from reflectree.graphs.design_search.families import Named
from reflectree.graphs.design_search.splits import Splits
from reflectree.graphs.design_search.spread import Cluster, SpreadExamples
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput, BudgetRefused

COT = blueprints.load("cot")
VOTES = blueprints.load("self-consistency").with_overrides({"scheme.strategy.n": 6})
MODELS = {"policy": Named("module")}


def bench(budget: Budget | None = None) -> Bench:
    return Bench({"policy": MODELS["policy"].build()}, width=4, budget=budget or Budget(calls=64, tokens=4000))


def evaluator(examples: Examples) -> DesignEvaluator:
    tasks = families.tasks(20)
    return DesignEvaluator(Splits.given(tasks[:2], tasks[2:18], tasks[18:]), examples)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.timeout(300)
async def test_two_workers_come_to_the_outcomes_of_one_process_and_keep_the_caps() -> None:
    pytest.importorskip("ray")
    here = evaluator(Examples(bench(), Cache()))
    part = here.splits.validation
    first = Ledger(Budget(calls=200, tokens=40_000))
    expected = [await here.evaluate(design, part, first, "a") for design in (COT, VOTES)]

    async with Cluster.open(MODELS, bench(), workers=2) as cluster:
        there = evaluator(SpreadExamples(bench(), Cache(), cluster=cluster))
        second = Ledger(Budget(calls=200, tokens=40_000))
        for design, local in zip((COT, VOTES), expected, strict=True):
            spread = await there.evaluate(design, part, second, "a")
            assert spread.scores == local.scores
            assert [made.answer for made in spread.made] == [made.answer for made in local.made]
            assert spread.usage == local.usage
        assert second.spent == first.spent
        assert second.calls_held == 0
        policy = there.examples.bench.models["policy"]
        assert isinstance(policy, ScriptedPolicy)
        assert policy.samples == 0  # no run was made here
        again = await there.evaluate(COT, part, second, "b")
        assert again.scores == expected[0].scores
        assert second.spent == first.spent  # known outcomes are not asked for again

        fresh = evaluator(SpreadExamples(bench(), Cache(), cluster=cluster))
        short = Ledger(Budget(calls=10))
        with pytest.raises(ScoreError, match=r"10 of 16 examples were settled.* calls"):
            await fresh.evaluate(COT, part, short, "a")
        assert short.spent.calls == 10
        with pytest.raises(BudgetRefused):
            await fresh.evaluate(COT, part[10:], short, "b")


async def test_models_must_be_named() -> None:
    models = {"policy": families.model("module")}
    with pytest.raises(BadInput, match="give policy as a string"):
        async with Cluster.open(models, bench()):
            pass


async def test_a_bench_with_a_memory_stays_here() -> None:
    with_memory = Bench({"policy": families.model("module")}, memory="somewhere")
    with pytest.raises(BadInput, match="leave out one of the two"):
        async with Cluster.open(MODELS, with_memory):
            pass


async def test_a_cluster_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="check the address, or use local"):
        async with Cluster.open(MODELS, bench(), "127.0.0.1:1"):
            pass
