from __future__ import annotations

import asyncio

import pytest
from tests.support.alive import FIRST, alive
from tests.support.engine import Oracle, search, tree, value_of
from tests.support.virtual_time import others, run_virtually

from reflectree.graphs.live import LiveRun
from reflectree.models.base import Reply, Request
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.events import Row
from reflectree.rlm_ops.strategies import Limits, Strategy
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.trace import append


async def superstep(live: LiveRun, rows: list[Row]) -> tuple[list[Row], str | None]:
    """What the graph does: one turn of the controller, then the agents' nodes side by side."""
    pure, batches, reason = live.advance(rows)
    rows = append(rows, [pure])
    done = await asyncio.gather(*(live.work(op, calls) for op, calls in batches.items()))
    return append(rows, done), reason


def test_turn_by_turn_to_the_end() -> None:
    async def story() -> None:
        policy = Oracle(latency=lambda number: number % 3)
        live, rows, reason = alive(policy), list(FIRST), None
        while reason is None:
            assert live.continues(rows)
            rows, reason = await superstep(live, rows)
        assert reason == "complete"
        assert live.ledger.spent.calls == len(policy.requests)
        assert policy.most_flying == 2

    run_virtually(story())


def test_what_it_continues() -> None:
    async def story() -> None:
        live, rows = alive(Oracle()), list(FIRST)
        rows, _ = await superstep(live, rows)
        assert live.continues(rows)
        assert live.continues([dict(row) for row in rows]), "reloaded from a checkpoint: equal, not the same"
        assert not live.continues(rows[:-1]), "what it handed over is missing: an earlier checkpoint"
        assert not live.continues([])
        assert not live.continues([{**rows[0], "question": "Other?"}, *rows[1:]])
        other, _ = await superstep(alive(Oracle()), list(FIRST))
        assert live.continues(other), "equal"

    run_virtually(story())


def test_each_part_of_a_turn_is_done_once_and_only_by_the_run_it_is_of() -> None:
    live = alive(Oracle())
    live.advance(FIRST)
    turn = live.turn
    assert live.takes("generate", turn)
    assert not live.takes("generate", turn)
    assert live.takes("evaluate", turn)
    assert not live.takes("evaluate", "")
    other = alive(Oracle())
    other.advance(FIRST)
    assert not other.takes("generate", turn)
    live.advance(FIRST)
    assert not live.takes("generate", turn)
    assert live.takes("generate", live.turn)


class Futile(Strategy):
    name = "futile"

    def limits(self) -> Limits:
        return Limits(1, 1, 1)

    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        return [Call("backpropagate", (0,))]


def test_a_strategy_that_asks_for_nothing_for_ever_is_an_error_not_a_hang() -> None:
    with pytest.raises(ReflectreeError, match="futile asks for backpropagate, which changes nothing"):
        alive(Oracle(), strategy=Futile()).advance(FIRST)


class Stubborn(Oracle):
    """A policy that answers though it was cancelled, at once or a moment later."""

    moment = 0.01

    async def complete(self, request: Request) -> Reply:
        try:
            return await super().complete(request)
        except asyncio.CancelledError:
            for _ in range(int(self.moment > 0)):
                await asyncio.sleep(self.moment)
            return self._reply(request, 0)


@pytest.mark.parametrize("moment", [0.0, 0.01])
@pytest.mark.parametrize("judged", [False, True])
async def test_a_policy_that_ignores_cancellation_does_not_settle_its_call_twice(moment: float, judged: bool) -> None:
    policy = Stubborn(latency=lambda number: 0.0 if number < 4 else 1000.0)
    policy.moment = moment
    result = await search(policy, budget=Budget(seconds=0.2), evaluator=None if judged else value_of)
    assert result.stop_reason == "budget:seconds"
    assert result.trace.verify() == []
    await asyncio.sleep(0.05)
    assert others() == []


async def test_a_policy_that_ignores_cancellation_does_not_hang_a_cancelled_run() -> None:
    begun = asyncio.Event()

    async def gate(number: int) -> None:
        begun.set()

    work = asyncio.ensure_future(search(Stubborn(gate=gate, latency=lambda number: 1000.0)))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, 5)
    await asyncio.sleep(0.05)
    assert others() == []


def test_a_slow_call_does_not_keep_the_slots_of_the_others() -> None:
    """One straggler of 100 s beside calls of 1 s: three slots go on, and the run ends with the straggler."""

    async def story() -> float:
        policy = Oracle(latency=lambda number: 100.0 if number == 1 else 1.0)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        result = await search(policy, blueprint=tree(width=3, depth=20, root_width=4), budget=Budget(calls=200))
        assert result.usage.calls == 200
        return loop.time() - begun

    assert run_virtually(story()) < 101


def test_agents_share_the_slots() -> None:
    policy = Oracle(lambda request, number: '{"score": 5}' if request.json_schema else f"step {number}")
    run_virtually(search(policy, evaluator=None, concurrency=3, budget=Budget(calls=60)))
    assert policy.most_flying <= 3


def test_nothing_spins_while_calls_in_flight_are_awaited_after_the_stop() -> None:
    policy = Oracle(
        lambda request, number: "Answer: 42" if number == 0 else f"step {number}",
        latency=lambda number: 0.05 if number == 0 else 2.0,
    )
    run = search(
        policy, blueprint=tree(root_width=4), concurrency=8, evaluator=lambda path: 1.0 if path.answer else 0.5
    )
    assert run_virtually(run).stop_reason == "confidence"
