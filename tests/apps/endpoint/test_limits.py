from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.apps.endpoint.keys import ANYONE, Key
from reflectree.apps.endpoint.limits import Gate, Grant, Limits
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.usage import NO_USAGE, Usage

DAY = 86_400


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(gate: Gate, key: Key, budget: Budget = Budget()) -> ApiError:  # noqa: B008 (frozen)
    with pytest.raises(ApiError) as error:
        gate.enter(key, budget)
    assert "\n" not in str(error.value)
    return error.value


def test_runs_a_minute_come_in_a_burst_and_then_one_by_one() -> None:
    clock = Clock()
    gate, key = Gate(Limits(), clock=clock), Key(name="k", requests_per_minute=6)
    for _ in range(6):
        gate.leave(gate.enter(key, Budget()), NO_USAGE)
    error = refused(gate, key)
    assert (error.status, error.code, error.headers) == (429, "rate_limit_exceeded", {"Retry-After": "10"})
    assert "6 runs a minute: wait 10.0 s" in str(error)
    clock.now += 10
    gate.enter(key, Budget())
    refused(gate, key)
    clock.now += 3600
    for _ in range(6):  # a long pause is worth no more than a minute
        gate.enter(key, Budget())
    refused(gate, key)
    gate.enter(Key(name="other", requests_per_minute=6), Budget())


def test_runs_at_once() -> None:
    gate, key = Gate(Limits(concurrent=3)), Key(name="k", concurrent=2)
    first, _ = gate.enter(key, Budget()), gate.enter(key, Budget())
    assert (refused(gate, key).status, refused(gate, key).code) == (429, "too_many_runs")
    gate.enter(ANYONE, Budget())
    full = refused(gate, ANYONE)
    assert (full.status, full.code, full.headers) == (503, "overloaded", {"Retry-After": "1"})
    gate.leave(first, NO_USAGE)
    gate.enter(key, Budget())
    assert gate.under_way == 3


def test_a_run_is_given_no_more_than_is_left() -> None:
    gate, key = Gate(Limits()), Key(name="k", usd_per_day=1.0, tokens_per_day=1000)
    first = gate.enter(key, Budget(usd=0.5, tokens=400))
    assert (first.budget.usd, first.budget.tokens) == (0.5, 400)
    second = gate.enter(key, Budget(usd=5.0))
    assert (second.budget.usd, second.budget.tokens) == (0.5, 600)
    error = refused(gate, key)
    assert (error.status, error.code, error.headers) == (429, "spend_limit_exceeded", {"Retry-After": "5"})
    assert "runs under way may need the rest" in str(error)
    gate.leave(first, Usage(2, 0, 90, 10, 0.125))
    assert gate.enter(key, Budget()).budget == Budget(usd=0.375, tokens=300)


def test_a_day_ends() -> None:
    today = Clock(5 * DAY + 100.0)
    gate, key = Gate(Limits(), today=today), Key(name="k", tokens_per_day=100)
    gate.leave(gate.enter(key, Budget()), Usage(1, 0, 100, 0, None))
    error = refused(gate, key)
    assert error.headers == {"Retry-After": str(DAY - 100)}
    assert "may spend 100 tokens a day: ask again tomorrow" in str(error)
    today.now += DAY
    assert gate.enter(key, Budget()).budget.tokens == 100


def test_what_was_spent_before_a_restart_counts_on_its_day_alone() -> None:
    today = Clock(5 * DAY)
    gate, key = Gate(Limits(), today=today), Key(name="k", tokens_per_day=100, usd_per_day=1.0)
    gate.recall("k", 4, 9.0, 900)
    assert gate.enter(key, Budget(tokens=10, usd=0.125)).tokens == 10
    gate.recall("k", 5, 0.5, 60)
    assert gate.enter(key, Budget()).budget == Budget(usd=0.375, tokens=30)


def test_a_run_gone_on_with_waits_for_no_turn() -> None:
    gate, key = Gate(Limits(concurrent=1)), Key(name="k", requests_per_minute=1, concurrent=1)
    gate.enter(key, Budget())
    gate.enter(key, Budget(), again=True)
    assert gate.under_way == 2


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1)), max_size=60))
def test_no_order_of_runs_spends_more_than_the_limit(steps: list[tuple[int, float]]) -> None:
    """Each run spends at most what it was given; a step begins one, or ends the one at its place."""
    gate, key = Gate(Limits(), today=lambda: 0.0), Key(name="k", tokens_per_day=100)
    under_way: list[Grant] = []
    spent = 0
    for cap, share in steps:
        if share < 0.5 or not under_way:
            try:
                under_way.append(gate.enter(key, Budget(tokens=cap)))
            except ApiError:
                assert spent + sum(grant.tokens for grant in under_way) >= 100
        else:
            grant = under_way.pop(int(share * len(under_way)) % len(under_way))
            used = int(grant.tokens * share)
            spent += used
            gate.leave(grant, Usage(1, 0, used, 0, None))
    assert spent + sum(grant.tokens for grant in under_way) <= 100
