"""The laws held by every built-in blueprint, each with its own evaluator, on a model that misbehaves now and then."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.support.bad_models import ACTING, THREADED, Speaker, good, mixture, reason, reasoned
from tests.support.brute_force import check_against_brute_force
from tests.support.engine import SECOND_TRY, seeds_of
from tests.support.virtual_time import others, run_virtually, turns

from reflectree.graphs import blueprints
from reflectree.graphs.live import OnEvent
from reflectree.graphs.result import Result
from reflectree.graphs.run import asaved_trace
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Enriched, Grown
from reflectree.rlm_ops.structure import ReasoningStructure, fold
from reflectree.rlm_ops.trace import Trace

every_blueprint = pytest.mark.parametrize("name", blueprints.names())


def drawn(seed: int, longest: float) -> Any:
    """Latencies that depend on the request's number alone."""
    dice = Random(seed)
    table = [dice.random() ** 3 * longest for _ in range(64)]
    return lambda number: table[number % 64]


def keeping(seen: deque[ReasoningStructure]) -> OnEvent:
    """Keeps the live structure."""
    return lambda event, live: seen.append(live)


@every_blueprint
def test_law_1_and_2_replay_equals_live_and_visits_are_conserved(name: str) -> None:
    for seed in range(2):
        seen: deque[ReasoningStructure] = deque(maxlen=1)
        policy = Speaker(mixture(seed), latency=drawn(seed, 0.01))
        result = reasoned(name, policy, budget=Budget(calls=40), seed=seed, on_event=keeping(seen))
        live = fold(result.trace)
        assert seen[-1] == live
        assert live.calls_in_flight == 0
        assert not any(seen[-1].virtual)
        check_against_brute_force(live, list(result.trace))


@every_blueprint
def test_law_4_the_same_run_is_the_same_trace_byte_for_byte(name: str) -> None:
    def traced(seed: int) -> str:
        policy = Speaker(mixture(3), latency=drawn(5, 1.0) if name not in THREADED else lambda number: 0.0)
        concurrency = 1 if name in THREADED else 4
        return reasoned(name, policy, seed=seed, concurrency=concurrency, budget=Budget(calls=40)).trace.dumps()

    assert traced(1) == traced(1)
    assert traced(1) != traced(2)


@every_blueprint
@pytest.mark.parametrize("max_n", [1, 4])
def test_law_5_no_cap_is_ever_exceeded(name: str, max_n: int) -> None:
    longest = 0.002 if name in THREADED else 2.0
    for seed, cap in enumerate((0, 1, 7)):
        policy = able(Speaker(mixture(seed), latency=drawn(seed, longest)), max_n)
        result = reasoned(name, policy, budget=Budget(calls=cap), concurrency=8, seed=seed)
        assert policy.made == result.usage.calls <= cap
        assert result.trace.verify() == []
    for seed, cap in enumerate((100, 4000)):
        policy = able(Speaker(mixture(seed), latency=drawn(seed, longest)), max_n)
        result = reasoned(name, policy, budget=Budget(tokens=cap, calls=60), concurrency=8, seed=seed)
        assert sum(reply.usage.tokens for reply in policy.replies) <= cap
        assert result.usage.tokens <= cap
        assert result.usage.calls == policy.made


def able(policy: Speaker, max_n: int) -> Speaker:
    """The policy with so many samples a request."""
    policy.capabilities = replace(policy.capabilities, max_n=max_n)
    return policy


async def saved(checkpoint: Path) -> Trace:
    with contextlib.suppress(BadInput):
        return await asaved_trace("run", checkpoint)
    return Trace()


async def interrupted(name: str, at: int, checkpoint: Path, **options: Any) -> Speaker:
    """A run that is cancelled the moment it makes a request of this number."""

    async def gate(number: int) -> None:
        if number == at:
            work.cancel()

    policy = Speaker(mixture(1), latency=options.pop("latency"), gate=gate)
    work = asyncio.ensure_future(reason(name, policy, checkpoint=checkpoint, **options))
    with contextlib.suppress(asyncio.CancelledError):
        await work
    await turns()
    assert others() == []
    return policy


@every_blueprint
@pytest.mark.parametrize("at", [1, 9])
def test_law_7_no_settled_call_is_paid_again(name: str, at: int, tmp_path: Path) -> None:
    threaded = name in THREADED
    slots = 1 if threaded else 3

    async def story() -> Result:
        checkpoint = tmp_path / "runs.sqlite"
        options: dict[str, Any] = {"concurrency": slots, "latency": drawn(2, 0.0 if threaded else 1.0)}
        first = await interrupted(name, at, checkpoint, **options)
        before = await saved(checkpoint)
        second = Speaker(mixture(1), latency=options.pop("latency"))
        result = await reason(name, second, checkpoint=checkpoint, **options)
        assert not paid_seeds(before) & set(second.asked), "a settled call was paid again"
        assert result.trace.rows[: len(before)] == before.rows
        assert result.trace.verify() == []
        assert result.usage.calls <= 24
        assert first.made + second.made - result.usage.calls <= 2 * slots * 6, "more was lost than was in flight"
        third = Speaker(good)
        again = await reason(name, third, checkpoint=checkpoint, **options)
        assert third.made == 0
        assert again.trace.rows == result.trace.rows
        return result

    asyncio.run(story()) if threaded else run_virtually(story())


def paid_seeds(trace: Trace, run_seed: int = 0) -> set[int]:
    """The seeds of the requests that settled calls made, those of nested runs included."""
    seeds = seeds_of(trace, run_seed)
    for event in trace:
        if isinstance(event, Enriched) and event.usage.calls:
            seed = Call("enrich", (event.node,), event.index).seed(run_seed)
            seeds |= {seed, seed ^ SECOND_TRY}
        if isinstance(event, Grown) and event.run:
            inner = Trace.from_rows(event.trace, run_id=event.run)
            seeds |= paid_seeds(inner, Call(event.op, event.nodes, event.index).seed(run_seed))
    return seeds


GOLD = "the-gold-answer-4711"


@every_blueprint
def test_law_8_gold_guides_nothing(name: str) -> None:
    def rows(gold: str | None) -> tuple[Speaker, list[Any]]:
        policy = Speaker(mixture(4))
        verifier = None if gold is None else verifiers.exact(gold)
        result = reasoned(name, policy, verifier=verifier, concurrency=1, budget=Budget(calls=32))
        assert result.oracle is False
        # an environment has a score of its own, which is asked for where no verifier was given
        assert (result.selected_correct is None) == (gold is None and name not in ACTING)
        return policy, list(result.trace.rows)

    (policy, hidden), (_, reached), (_, blind) = rows(GOLD), rows("42"), rows(None)
    assert not [request for request in policy.requests if GOLD in repr(request)]
    assert GOLD not in repr(hidden)
    assert hidden[1:-1] == reached[1:-1] == blind[1:-1]
    report = {"correct": None, "in_structure": None}
    assert {**hidden[-1], **report} == {**reached[-1], **report} == {**blind[-1], **report}
