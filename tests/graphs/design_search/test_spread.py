"""Designs on a local Ray cluster: the outcomes and the bill of one process, within the same caps."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.graphs.test_ray_bench import a_worker

from reflectree.agents.evaluators.base import ScoreError
from reflectree.apps.designview import lines
from reflectree.graphs import blueprints
from reflectree.graphs.design_search import families
from reflectree.graphs.design_search.cache import Cache, Made
from reflectree.graphs.design_search.evaluator import DesignEvaluator
from reflectree.graphs.design_search.examples import Bench, Examples
from reflectree.graphs.design_search.families import Named
from reflectree.graphs.design_search.report import SearchReport
from reflectree.graphs.design_search.run import adesign_search
from reflectree.graphs.design_search.splits import Splits
from reflectree.graphs.design_search.spread import Cluster, SpreadExamples
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput, BudgetRefused
from reflectree.rlm_ops.usage import Usage

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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.timeout(300)
async def test_a_lost_worker_is_said_counted_in_full_and_reported(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    killed, said = list[int](), list[str]()

    def kill_one(made: Made) -> None:
        if not killed:
            killed.append(a_worker())
            os.kill(killed[0], signal.SIGKILL)

    async def searched(**watching: Any) -> SearchReport:
        return await adesign_search(
            "cot", families.tasks(30), level="module", method="aflow", settings={"rounds": 1}, folder=tmp_path,
            policy=Named("module", latency=0.05), proposer=None, ray="local", concurrency=4, seed=2,
            budget=Budget(calls=4_000), example_budget=Budget(calls=20), **watching,
        )  # fmt: skip

    report = await searched(on_example=kill_one, on_lost=said.append)
    assert said
    assert all("a Ray worker died" in one and "is made again on another one" in one for one in said)
    assert report.lost_runs == len(said)
    assert report.lost == Usage(20 * len(said))
    with contextlib.closing(sqlite3.connect(tmp_path / "examples.sqlite")) as db:
        kept = sum(json.loads(usage)[0] for (usage,) in db.execute("SELECT usage FROM made"))
    assert report.search.calls + report.final.calls == kept + report.lost.calls
    assert report.to_json()["lost"]["runs"] == len(said)
    assert any(line.startswith(f"{len(said)} run") for line in lines(report))
    again = await searched()
    assert again.to_json() == report.to_json()


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
