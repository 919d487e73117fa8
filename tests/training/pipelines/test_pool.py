"""Many runs under one cap: it is never passed, runs are never cut by it, failures lose nothing that has finished."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.virtual_time import others, run_virtually

from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelRejected
from reflectree.rlm_ops.events import Began, Grown
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import NO_USAGE, Usage
from reflectree.training.pipelines.pool import Caps, Pool
from reflectree.training.pipelines.runs import Run


class Fake:
    """Runs that take some seconds and some calls; `failing` ones raise."""

    def __init__(self, costs: Mapping[str, tuple[float, int]], failing: str = "") -> None:
        self.costs, self.failing = costs, failing
        self.now = self.most = 0

    async def run(self, wanted: Run) -> Trace:
        seconds, calls = self.costs[wanted.name]
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.now -= 1
        if wanted.name == self.failing:
            raise ModelRejected("refused")
        grown = Grown(nodes=(0,), text="a", node=1, seq=1, usage=Usage(calls, 0, calls, 0))
        return Trace([Began(question="q", seq=0), grown], run_id=wanted.name)

    async def kept(self, name: str) -> None: ...


def pool(fake: Fake, cap: Budget, each: Budget, parallel: int, spent: Usage = NO_USAGE) -> Pool:
    runs = [Run(name, Task("q"), 0) for name in fake.costs]
    return Pool(fake, runs, Caps(cap, each), parallel, spent=spent, elapsed=0.0)


async def drained(made: Pool) -> list[str]:
    names: list[str] = []
    while found := await made.next():
        names += [run.name for run, _ in found]
    return names


@given(
    st.lists(st.tuples(st.floats(0.01, 9), st.integers(1, 5)), min_size=1, max_size=9),
    st.integers(1, 4),
    st.integers(5, 30),
    st.integers(0, 10),
)
def test_the_cap_holds_and_as_much_is_made_as_fits(
    costs: list[tuple[float, int]], parallel: int, cap: int, before: int
) -> None:
    fake = Fake({f"r{n}": cost for n, cost in enumerate(costs)})
    made = pool(fake, Budget(calls=cap), Budget(calls=5), parallel, Usage(before, 0, 0, 0))
    names = run_virtually(drained(made))
    spent = before + sum(fake.costs[name][1] for name in names)
    assert spent <= max(cap, before)
    assert fake.most <= parallel
    assert len(set(names)) == len(names)
    if made.paused is None:
        assert len(names) == len(costs)
    else:
        assert made.paused == "calls"
        assert len(names) < len(costs)
        assert spent + 5 > cap  # not even one more would have fitted


def test_slots_do_not_wait_for_the_slowest() -> None:
    fake = Fake({"slow": (9.0, 1), "a": (1.0, 1), "b": (1.0, 1), "c": (1.0, 1)})
    assert run_virtually(drained(pool(fake, Budget(), Budget(), 2))) == ["a", "b", "c", "slow"]


def test_a_failure_is_raised_after_what_has_finished_and_begins_nothing_more() -> None:
    fake = Fake({"a": (1.0, 1), "bad": (1.0, 1), "c": (5.0, 1), "d": (1.0, 1)}, failing="bad")
    made = pool(fake, Budget(), Budget(), 3)

    async def work() -> None:
        assert [run.name for run, _ in await made.next()] == ["a"]
        with pytest.raises(ModelRejected):
            await made.next()
        await made.cancel()
        assert (others(), fake.now) == ([], 0)

    run_virtually(work())


def test_a_cap_on_seconds_stops_what_is_in_progress() -> None:
    fake = Fake({"long": (60.0, 1), "next": (60.0, 1)})
    made = Pool(
        fake, [Run(name, Task("q"), 0) for name in fake.costs], Caps(Budget(seconds=0.05), Budget()), 1,
        spent=NO_USAGE, elapsed=0.0,
    )  # fmt: skip

    async def work() -> None:
        assert await made.next() == []
        assert others() == []

    asyncio.run(work())
    assert (made.paused, fake.now) == ("seconds", 0)


def test_caps_that_do_not_fit_together() -> None:
    with pytest.raises(BadInput, match="give budget=Budget"):
        Caps(Budget(usd=5), Budget(calls=3))
    with pytest.raises(BadInput, match="raise the job's cap"):
        Caps(Budget(tokens=5), Budget(tokens=6))
