"""Law 5: no cap of a budget is ever exceeded, at any concurrency; the run ends with the best so far and says why."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.engine import Oracle, faults, search, tree
from tests.support.virtual_time import run_virtually

from reflectree.models.base import Price
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.step import Path

DEEP = tree(width=3, depth=30, root_width=8).with_overrides({"operators.generate.max_tokens": 20})
KINDS = st.lists(st.sampled_from(["ok", "ok", "ok", "empty", "truncated", "transient"]), min_size=1, max_size=7)
latencies_ = st.lists(st.floats(0, 2), min_size=1, max_size=5)


def sampling(n: int | None = 50, max_tokens: int = 20) -> Blueprint:
    return Blueprint.parse(
        {
            "name": "samples",
            "scheme": {"granularity": "solution", "strategy": {"name": "self-consistency", "n": n}},
            "operators": {"generate": {"max_tokens": max_tokens}},
            "selection": "majority",
        }
    )


@settings(max_examples=20)
@given(st.integers(0, 40), st.integers(1, 70), latencies_, KINDS, st.booleans())
def test_calls(cap: int, concurrency: int, latencies: list[float], kinds: list[str], judged: bool) -> None:
    policy = Oracle(faults(kinds), latency=lambda number: latencies[number % len(latencies)])
    evaluator = {} if judged else {"evaluator": lambda path: 0.5}
    options = {"budget": Budget(calls=cap), "concurrency": concurrency, **evaluator}
    result = run_virtually(search(policy, blueprint=DEEP, **options))
    assert len(policy.requests) <= cap
    assert result.usage.calls == len(policy.requests)
    assert result.stop_reason in ("budget:calls", "complete")


@settings(max_examples=20)
@given(st.integers(0, 3000), st.integers(1, 70), latencies_, KINDS)
def test_tokens(cap: int, concurrency: int, latencies: list[float], kinds: list[str]) -> None:
    policy = Oracle(faults(kinds), latency=lambda number: latencies[number % len(latencies)])
    result = run_virtually(search(policy, blueprint=DEEP, budget=Budget(tokens=cap), concurrency=concurrency))
    assert sum(reply.usage.tokens for reply in policy.replies) <= cap
    assert result.usage.tokens <= cap
    assert result.stop_reason in ("budget:tokens", "complete")


@settings(max_examples=20)
@given(st.floats(0, 0.01), st.integers(1, 70), latencies_, KINDS)
def test_dollars(cap: float, concurrency: int, latencies: list[float], kinds: list[str]) -> None:
    policy = Oracle(
        faults(kinds),
        latency=lambda number: latencies[number % len(latencies)],
        price=Price(prompt=1.0, completion=5.0),
    )
    result = run_virtually(search(policy, blueprint=DEEP, budget=Budget(usd=cap), concurrency=concurrency))
    spent = sum(reply.usage.usd or 0.0 for reply in policy.replies)
    assert spent <= cap
    assert result.usage.usd == pytest.approx(spent)
    assert result.stop_reason in ("budget:usd", "complete")


@pytest.mark.parametrize("concurrency", [1, 3, 8, 64])
def test_a_call_budget_is_spent_to_the_last_call(concurrency: int) -> None:
    policy = Oracle(latency=lambda number: number % 3)
    result = run_virtually(
        search(
            policy, blueprint=tree(width=4, depth=30, root_width=64), budget=Budget(calls=37), concurrency=concurrency
        )
    )
    assert len(policy.requests) == 37
    assert result.stop_reason == "budget:calls"


def test_what_fits_is_sampled_though_a_whole_batch_would_not_fit() -> None:
    """Eight siblings in one request are too many for the budget; two are not."""
    policy = Oracle(lambda request, number: "Answer: 42", max_n=8)
    result = run_virtually(search(policy, blueprint=sampling(max_tokens=100), budget=Budget(tokens=400), concurrency=8))
    assert result.usage.calls >= 1
    assert result.answer is not None
    assert result.usage.tokens <= 400


async def test_seconds_cut_a_policy_that_never_answers() -> None:
    never = asyncio.Event()
    policy = Oracle(gate=lambda number: never.wait() if number > 2 else asyncio.sleep(0))
    started = time.monotonic()
    result = await search(policy, blueprint=DEEP, budget=Budget(seconds=1.0))
    assert result.stop_reason == "budget:seconds"
    assert 0.95 < time.monotonic() - started < 20
    assert result.nodes == 3
    assert result.usage.calls == len(policy.requests) == 7
    assert policy.flying == 0


async def test_seconds_cut_waiting_between_retries() -> None:
    from reflectree.models.calling import Retries
    from reflectree.rlm_ops.errors import TransientModelError

    policy = Oracle(lambda request, number: TransientModelError("429", retry_after=60))
    started = time.monotonic()
    result = await search(policy, budget=Budget(seconds=0.3), retries=Retries(longest_wait=120))
    assert result.stop_reason == "budget:seconds"
    assert result.answer is None
    assert time.monotonic() - started < 20


def test_the_best_so_far_is_the_answer() -> None:
    def say(request: object, number: int) -> str:
        return f"Answer: {number}"

    def score(path: Path) -> float:
        return 0.9 if path.answer == "3" else 0.1

    result = run_virtually(
        search(Oracle(say), blueprint=tree(root_width=50), evaluator=score, budget=Budget(calls=6), concurrency=2)
    )
    assert (result.answer, result.score, result.stop_reason) == ("3", 0.9, "budget:calls")


def test_no_budget_at_all_pays_nothing() -> None:
    for budget in (Budget(calls=0), Budget(tokens=0), Budget(seconds=0)):
        policy = Oracle()
        result = run_virtually(search(policy, budget=budget))
        assert policy.requests == []
        assert result.answer is None
        assert result.stop_reason.startswith("budget:")


def test_the_blueprint_and_the_run_both_cap() -> None:
    policy = Oracle()
    capped = tree(width=4, depth=30).with_overrides({"budget.calls": 5})
    result = run_virtually(search(policy, blueprint=capped, budget=Budget(calls=50)))
    assert len(policy.requests) == 5
    assert result.stop_reason == "budget:calls"


async def test_seconds_of_earlier_parts_count_after_a_resume() -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    saver = InMemorySaver()
    never = asyncio.Event()
    sixth = asyncio.Event()

    async def gate(number: int) -> None:
        await asyncio.sleep(0.05)
        if number > 5:
            sixth.set()
            await never.wait()

    policy = Oracle(gate=gate)
    work = asyncio.create_task(search(policy, budget=Budget(seconds=30), checkpoint=saver, concurrency=1))
    await sixth.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    second = Oracle()
    result = await search(second, budget=Budget(seconds=0.2), checkpoint=saver, concurrency=1)
    assert result.stop_reason == "budget:seconds"
    assert second.requests == []
