"""Whole searches: a better design is found and measured on untouched tasks; killed, it goes on without paying twice."""

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from reflectree.graphs.design_search import families as family
from reflectree.graphs.design_search.methods import METHODS
from reflectree.graphs.design_search.report import SearchReport, break_even
from reflectree.graphs.design_search.run import adesign_search
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelUnreachable, TraceError


async def search(
    kind: family.Kind, method: str, settings: dict[str, Any], count: int = 24, **options: Any
) -> SearchReport:
    options.setdefault("policy", family.model(kind))
    others = {"second": family.model(kind, knows=family.FIELDS[1], name="second")} if kind == "agent" else {}
    return await adesign_search(
        "cot", family.tasks(count), level=kind, method=method, settings=settings, models=others, **options
    )


async def test_a_search_measures_the_seed_and_what_it_tries(tmp_path: Path) -> None:
    report = await search("module", "aflow", {"rounds": 3}, folder=tmp_path)
    first = report.designs[0]
    assert first.digest == report.seed.digest
    assert len(first.scores) == report.validation
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["verdict"] == report.verdict
    assert len(data["designs"]) == len(report.designs)
    assert (tmp_path / "winner.yaml").is_file()
    assert report.on_test("seed") is not None


async def test_a_finished_search_is_returned_without_a_call(tmp_path: Path) -> None:
    first = await search("module", "aflow", {"rounds": 2}, folder=tmp_path)
    model = family.model("module")
    again = await search("module", "aflow", {"rounds": 2}, folder=tmp_path, policy=model)
    assert model.samples == 0
    assert again.to_json() == first.to_json()


def asked(model: ScriptedPolicy) -> set[tuple[Any, ...]]:
    """What was asked: two designs that differ in temperature alone ask other questions in the same words."""
    return {(one.messages, one.seed, one.n, one.temperature, one.max_tokens, one.top_p) for one in model.requests}


def settled(folder: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The outcomes that a folder holds, and what each cost."""
    with contextlib.closing(sqlite3.connect(folder / "examples.sqlite")) as db:
        rows = db.execute("SELECT design, example, usage, owner, seconds FROM made").fetchall()
    return {tuple(row[:2]): tuple(row[2:]) for row in rows}


@pytest.mark.parametrize("moment", [7, 20, 45])
async def test_killed_and_resumed_it_pays_no_settled_example_twice(tmp_path: Path, moment: int) -> None:
    settings, width = {"rounds": 2}, 4
    killed = family.model("module", latency=0.002)
    work = asyncio.create_task(search("module", "aflow", settings, policy=killed, concurrency=width, folder=tmp_path))
    while len(killed.requests) < moment:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    before = settled(tmp_path)
    assert before
    rest = family.model("module")
    report = await search("module", "aflow", settings, policy=rest, concurrency=width, folder=tmp_path)
    after = settled(tmp_path)
    assert {key: after[key] for key in before} == before
    assert len(asked(killed) & asked(rest)) <= width, "what was in flight, and nothing else"
    sent = len(killed.requests) + len(rest.requests)
    assert sent - width <= report.search.calls + report.final.calls <= sent


async def test_a_folder_of_another_search_is_refused(tmp_path: Path) -> None:
    await search("module", "aflow", {"rounds": 0}, folder=tmp_path)
    with pytest.raises(TraceError, match="another search"):
        await search("module", "aflow", {"rounds": 0}, folder=tmp_path, seed=7)


async def test_a_budget_that_cannot_pay_one_evaluation_is_refused() -> None:
    model = family.model("module")
    with pytest.raises(BadInput, match="cannot pay one evaluation of the seed design"):
        await search("module", "aflow", {}, policy=model, budget=Budget(calls=6))
    assert model.samples == 2
    with pytest.raises(BadInput, match="does not pay one example"):
        await search("module", "aflow", {}, budget=Budget(calls=0))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"concurrency": 0}, "concurrency=0: give at least 1"),
        ({"minibatch": 0}, "minibatch=0: give at least 1"),
        ({"example_budget": Budget(calls=0)}, "calls=0: give at least 1"),
        ({"method": "gptswarm"}, "gptswarm works at level agent alone"),
        ({"method": "aflow", "settings": {"iterations": 3}}, "unknown key 'iterations'"),
    ],
)
async def test_what_cannot_work_is_refused_before_a_call(options: dict[str, Any], named: str) -> None:
    model = family.model("prompt")
    with pytest.raises(BadInput, match=named):
        await adesign_search("cot", family.tasks(24), policy=model, **options)
    assert not model.requests


async def test_an_unreachable_model_is_named_as_that() -> None:
    model = ScriptedPolicy(lambda request, index: ModelUnreachable("nobody there"))
    with pytest.raises(ModelUnreachable, match="nobody there"):
        await adesign_search("cot", family.tasks(24), policy=model)


async def test_proposals_and_runs_share_the_slots() -> None:
    model = family.model("agent", latency=0.002)
    await search("agent", "evolve", {"children": 6}, policy=model, concurrency=3, budget=Budget(calls=150))
    assert model.max_in_flight == 3


async def test_no_cap_is_exceeded_and_what_was_not_tested_is_said() -> None:
    model = family.model("module")
    report = await search("module", "aflow", {"rounds": 20}, policy=model, budget=Budget(calls=45))
    assert len(model.requests) <= 45
    assert report.stop == "budget:calls"
    assert report.search.calls + report.final.calls <= 45


async def test_without_a_proposing_model_designs_are_varied_by_chance() -> None:
    report = await search("prompt", "opro", {}, proposer=None, budget=Budget(calls=80))
    assert len(report.designs) > 1
    assert all(one.status for one in report.designs)


def test_golden_break_even() -> None:
    """A right answer costs 100 / .5 = 200 tokens with the seed, and 120 / .8 = 150 with the winner."""
    assert break_even(8000, 100, 0.5, 120, 0.8) == 200
    assert break_even(8000, 100, 0.5, 400, 0.8) is None
    assert break_even(8000, 100, 0.0, 400, 0.8) == 1
    assert break_even(8000, 100, 0.5, 100, 0.0) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method", "settings"),
    [("prompt", "gepa", {"iterations": 16}), ("module", "aflow", {"rounds": 8}), ("agent", "evolve", {"children": 12})],
)
async def test_each_level_finds_a_design_that_is_better_on_untouched_tasks(
    kind: family.Kind, method: str, settings: dict[str, Any]
) -> None:
    report = await search(kind, method, settings, count=120)
    assert report.verdict == "gain"
    assert report.difference is not None
    assert report.difference.low > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("proposes", [True, False], ids=["proposed", "by chance"])
async def test_every_method_searches_within_its_cap_and_reports(method: str, proposes: bool, tmp_path: Path) -> None:
    kind = METHODS[method].level
    options: dict[str, Any] = {} if proposes else {"proposer": None}
    report = await search(kind, method, {}, count=36, budget=Budget(calls=400), folder=tmp_path, **options)
    assert report.search.calls + report.final.calls <= 400
    assert len(report.designs) > 2
    assert sum(bool(one.scores) for one in report.designs) > 1
    assert report.on_test("seed") is not None, report.untested
    assert report.verdict in ("gain", "no gain", "loss", "seed kept")
    model = family.model(kind)
    again = await search(kind, method, {}, count=36, budget=Budget(calls=400), folder=tmp_path, policy=model, **options)
    assert not model.requests
    assert again.to_json() == report.to_json()
