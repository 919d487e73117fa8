"""Budgets that run low: runs wait for each other, the test is paid for, and what was cut short is tried again."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from reflectree.graphs import blueprints
from reflectree.graphs.design_search import families as family
from reflectree.graphs.design_search.cache import FINAL, Cache, Made
from reflectree.graphs.design_search.examples import Bench, Examples
from reflectree.graphs.design_search.report import SearchReport
from reflectree.graphs.design_search.room import Meter, Room
from reflectree.graphs.design_search.run import adesign_search
from reflectree.graphs.design_search.settling import Unsettled
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput

COT = blueprints.load("cot")
VOTES = blueprints.load("self-consistency").with_overrides({"scheme.strategy.n": 6})


async def search(model: ScriptedPolicy, budget: Budget, **options: Any) -> SearchReport:
    return await adesign_search(
        "cot", family.tasks(36), level="module", method="aflow", policy=model, budget=budget, **options
    )


def one_at_a_time() -> ScriptedPolicy:
    """A model that gives one sample a request, so that 16 samples are dear."""
    model = family.model("module")
    model.capabilities = replace(model.capabilities, max_n=1)
    return model


async def test_what_other_runs_hold_is_waited_for() -> None:
    """A call holds more than a thousand tokens and takes 56: of eight at once a budget of 6,000 refuses some."""
    model = family.model("module", latency=0.002)
    report = await search(model, Budget(tokens=6_000), settings={"rounds": 0}, concurrency=8)
    assert report.designs[0].scores
    assert report.on_test("seed") is not None
    assert not report.failures
    assert report.search.tokens + report.final.tokens <= 6_000


async def test_a_budget_that_holds_too_little_for_one_call_says_what_it_takes() -> None:
    model = family.model("module")
    with pytest.raises(BadInput, match=r"a call holds up to \d+ tokens .* give at least (\d+) tokens") as refused:
        await search(model, Budget(tokens=2_500))
    enough = int(re.findall(r"at least (\d+) tokens", str(refused.value))[0])
    report = await search(model, Budget(tokens=enough), settings={"rounds": 0})
    assert report.on_test("seed") is not None
    with pytest.raises(BadInput, match=r"a call holds up to \d+ tokens until it is answered: give more"):
        await search(model, Budget(tokens=200))


@pytest.mark.slow
async def test_a_dear_winner_leaves_enough_for_its_test() -> None:
    """The winner takes 15 times what the seed takes: the search ends early rather than leave it untested."""
    model = one_at_a_time()
    report = await search(model, Budget(tokens=40_000), settings={"rounds": 6}, concurrency=4)
    assert report.stop == "budget:tokens"
    assert [one.name for one in report.tested] == ["seed", "winner", "seed at equal cost"]
    winner, seed = report.on_test("winner"), report.on_test("seed")
    assert winner is not None
    assert seed is not None
    assert winner.tokens > 10 * seed.tokens
    assert report.search.tokens + report.final.tokens <= 40_000


@pytest.mark.slow
async def test_a_test_that_was_not_paid_goes_on_with_the_budget_that_is_named(tmp_path: Path) -> None:
    options: dict[str, Any] = {"settings": {"rounds": 6}, "concurrency": 4, "folder": tmp_path}
    first = await search(one_at_a_time(), Budget(tokens=26_000), **options)
    assert first.verdict == "not tested"
    named = re.search(r"search and test take about (\d+) tokens together: with a larger budget", first.untested)
    assert named is not None
    rest = one_at_a_time()
    second = await search(rest, Budget(tokens=int(named[1])), **options)
    assert second.winner == first.winner
    assert second.search == first.search
    assert [one.name for one in second.tested] == ["seed", "winner", "seed at equal cost"]
    paid = second.final.calls - first.final.calls
    assert paid == len(rest.requests), "all of the test is on its bill, in whichever process it was paid"
    assert second.search.tokens + second.final.tokens <= int(named[1])


async def test_a_run_that_a_budget_cut_short_begins_anew_and_stays_on_the_bill() -> None:
    cache, saver, task = Cache(), InMemorySaver(), family.tasks(1)[0]
    bench = Bench({"policy": one_at_a_time()}, width=4)
    first = Examples(bench, cache, saver)
    short = Ledger(Budget(calls=4))
    cut = await first.run(VOTES, task, short, FINAL)
    assert isinstance(cut, Unsettled)
    assert cut.cap == "calls"
    assert cut.usage == short.spent
    again, account = Examples(bench, cache, saver), Ledger(Budget(calls=40))
    made = await again.run(VOTES, task, account, FINAL)
    assert isinstance(made, Made)
    assert made.usage.calls == 6
    assert made.spilt == cut.usage
    assert account.spent == made.usage + made.spilt
    assert not [*saver.list(None)]


async def test_room_is_for_as_many_calls_as_the_budget_can_hold() -> None:
    room, account = Room(), Ledger(Budget(tokens=250))
    meter = Meter(account)
    meter.release(meter.reserve(100))
    room.learn(meter)
    inside: list[str] = []
    leave = {name: asyncio.Event() for name in "abc"}

    async def run(name: str) -> None:
        async with room.take(account, 1):
            inside.append(name)
            await leave[name].wait()

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(run(name))
        while len(inside) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert inside == ["a", "b"], "three would hold 300 of 250"
        leave["a"].set()
        while len(inside) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for event in leave.values():
            event.set()
    async with room.take(Ledger(Budget(tokens=1)), 1):
        pass  # alone it is let in: whether it is paid is the account's to say
