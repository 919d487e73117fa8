from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.budget import Budget, Ledger, Reservation
from reflectree.rlm_ops.errors import BadInput, BudgetRefused
from reflectree.rlm_ops.usage import Usage


@pytest.mark.parametrize("cap", ["calls", "tokens", "usd", "seconds"])
@pytest.mark.parametrize("value", [-1, -0.01, math.nan, "10", True, [], 1j])
def test_a_cap_is_a_number_of_at_least_zero(cap: str, value: Any) -> None:
    with pytest.raises(BadInput, match=f"^budget {cap}=.*: give a number of at least 0"):
        Budget(**{cap: value})


def test_zero_and_none_are_caps() -> None:
    assert Budget(calls=0, tokens=None, usd=0.0).calls == 0


@given(
    st.integers(0, 30),
    st.integers(0, 500),
    st.floats(0, 1),
    st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 100)), max_size=80),
)
def test_no_sequence_of_reservations_passes_a_cap(
    calls: int, tokens: int, usd: float, moves: list[tuple[bool, int, int]]
) -> None:
    """Whatever is reserved, settled for less, or released, in whatever order."""
    ledger = Ledger(Budget(calls=calls, tokens=tokens, usd=usd))
    held: list[Reservation] = []
    caps: set[str] = set()
    for reserve, size, share in moves:
        if reserve:
            try:
                held.append(ledger.reserve(size, size / 1000))
            except BudgetRefused as refused:
                caps.add(refused.cap)
        elif held:
            reservation = held.pop(size % len(held))
            if share > 90:
                ledger.release(reservation)
            else:
                part = reservation.tokens * share // 100
                ledger.settle(reservation, Usage(1, 0, part, 0, reservation.usd * share / 100))
        assert ledger.spent.calls + sum(r.calls for r in held) <= calls
        assert ledger.spent.tokens + sum(r.tokens for r in held) <= tokens
        assert (ledger.spent.usd or 0) + sum(r.usd for r in held) <= usd + 1e-9
        assert ledger.calls_held == sum(reservation.calls for reservation in held)
    assert caps <= {"calls", "tokens", "usd"}


def test_a_refused_reservation_holds_nothing() -> None:
    ledger = Ledger(Budget(tokens=10))
    with pytest.raises(BudgetRefused):
        ledger.reserve(11)
    ledger.reserve(10)


def test_a_model_that_writes_more_than_it_may_is_expected_to_do_so_again() -> None:
    ledger = Ledger(Budget(tokens=100))
    ledger.settle(ledger.reserve(10), Usage(1, 0, 0, 25, 0.0))
    assert ledger.overrun == 15
    assert ledger.reserve(60).tokens == 75
    with pytest.raises(BudgetRefused):
        ledger.reserve(1)


def test_seconds_are_those_of_the_clock_and_those_before() -> None:
    now = 100.0
    ledger = Ledger(Budget(seconds=5), elapsed=2.0, clock=lambda: now)
    assert ledger.elapsed == 2.0
    now = 102.0
    assert ledger.seconds_left == 1.0
    ledger.reserve(1)
    now = 103.0
    assert ledger.seconds_left == 0.0
    with pytest.raises(BudgetRefused, match="seconds"):
        ledger.reserve(1)
    now = 999.0
    assert ledger.seconds_left == 0.0


def test_what_was_spent_before_counts() -> None:
    ledger = Ledger(Budget(calls=3), spent=Usage(calls=2))
    ledger.reserve(0)
    with pytest.raises(BudgetRefused) as refusal:
        ledger.reserve(0)
    assert refusal.value.cap == "calls"


def test_a_cap_in_dollars_holds_where_a_reply_does_not_say_what_it_cost() -> None:
    """An unknown price counts as the most the call could cost: unknown is never free."""
    ledger = Ledger(Budget(usd=1.0))
    ledger.settle(ledger.reserve(10, 0.6), Usage(1, 0, 5, 5, None))
    with pytest.raises(BudgetRefused):
        ledger.reserve(10, 0.6)


def test_a_cap_in_dollars_refuses_to_go_on_from_an_unknown_bill() -> None:
    with pytest.raises(BudgetRefused):
        Ledger(Budget(usd=1.0), spent=Usage(calls=1, usd=None)).reserve(10, 0.1)
    Ledger(Budget(calls=5), spent=Usage(calls=1, usd=None)).reserve(10)


def test_time_in_which_a_person_was_waited_for_does_not_count() -> None:
    now = 0.0
    ledger = Ledger(Budget(seconds=10), clock=lambda: now)
    now = 60.0
    ledger.discount(55.0)
    assert (ledger.elapsed, ledger.seconds_left) == (5.0, 5.0)
    ledger.release(ledger.reserve(1))
