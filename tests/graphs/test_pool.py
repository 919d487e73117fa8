from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.support.alive import FIRST, alive
from tests.support.engine import Oracle
from tests.support.virtual_time import others, run_virtually

from reflectree.agents.base import AgentRun
from reflectree.graphs.pool import Pool
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import BudgetRefused, ModelError, ModelRejected
from reflectree.rlm_ops.events import Event, Failed
from reflectree.rlm_ops.structure import ReasoningStructure

CALLS = [Call("generate", (0,), index) for index in range(4)]


class Sleeper:
    """An agent whose calls take as many seconds as their index says, at most `most` of them in one go."""

    name, local = "sleeper", False
    op: Operator = "generate"

    def __init__(self, size: int = 1, most: int = 9, error: Exception | None = None) -> None:
        self.size, self.most, self.error = size, most, error

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        return [list(calls[at : at + self.size]) for at in range(0, len(calls), self.size)]

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        if len(calls) > self.most:
            raise BudgetRefused("calls")
        if self.error is not None:
            raise self.error
        await asyncio.sleep(calls[0].index)
        return [Failed(of="generate", nodes=call.nodes, index=call.index, reason="slept") for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        raise NotImplementedError


def pool(budget: Budget | None = None) -> Pool:
    return Pool(ReasoningStructure(), Ledger(budget or Budget()), slots=4, linger=0.001)


def test_what_settled_is_handed_over_and_the_others_stay_in_flight() -> None:
    async def story() -> None:
        calls, agent, run = pool(), Sleeper(), alive(Oracle(), FIRST)
        rows = await calls.work(agent, CALLS, run)
        assert [row.get("index", 0) for row in rows] == [0]
        assert (calls.free, calls.awaits("generate"), calls.awaits("evaluate")) == (1, True, False)
        indices: list[int] = []
        while calls.awaits("generate"):
            calls.begin_turn()
            indices += [row["index"] for row in await calls.work(agent, [], run)]
        assert indices == [1, 2, 3]
        assert calls.free == 4

    run_virtually(story())


def test_a_group_is_halved_until_it_fits_and_the_rest_is_asked_for_again() -> None:
    async def story() -> None:
        calls, run = pool(), alive(Oracle(), FIRST)
        rows = await calls.work(Sleeper(size=4, most=2), CALLS, run)
        assert [row.get("index", 0) for row in rows] == [0, 1]
        assert calls.take_refused() == CALLS[2:]
        assert calls.take_refused() == []
        assert calls.refused_cap is None

    run_virtually(story())


def test_what_the_budget_refuses_names_its_cap_until_something_settles() -> None:
    async def story() -> None:
        calls, run = pool(), alive(Oracle(), FIRST)
        assert await calls.work(Sleeper(most=0), CALLS[:1], run) == []
        assert calls.take_refused() == CALLS[:1]
        assert calls.refused_cap == "calls"
        assert calls.take_refused() == []
        assert calls.refused_cap is None

    run_virtually(story())


def test_out_of_time_the_calls_in_flight_are_cut() -> None:
    async def story() -> None:
        calls, run = pool(Budget(seconds=0.5)), alive(Oracle(), FIRST)
        rows = await calls.work(Sleeper(), CALLS[1:], run)
        assert [(row["index"], row["reason"]) for row in rows] == [(n, "cut: out of time") for n in (1, 2, 3)]
        assert not calls.awaits("generate")
        await asyncio.sleep(0.01)
        assert others() == []

    run_virtually(story())


def test_a_model_that_refuses_is_told_of_and_a_defect_is_raised() -> None:
    async def story() -> None:
        calls, run = pool(), alive(Oracle(), FIRST)
        await calls.work(Sleeper(error=ModelRejected("no")), CALLS[:1], run)
        assert isinstance(calls.fatal, ModelError)
        calls.begin_turn()
        await calls.work(Sleeper(error=ZeroDivisionError("a defect")), CALLS[:1], run)
        with pytest.raises(ZeroDivisionError, match="a defect"):
            calls.begin_turn()

    run_virtually(story())
