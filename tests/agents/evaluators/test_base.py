from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.evaluators.rig import a_run, always, says
from tests.support.virtual_time import run_virtually

from reflectree.agents.evaluators import JUDGE_CEILING, ScoreError, checked, judge
from reflectree.agents.evaluators.base import Asking, capped, repeated, settings_of
from reflectree.models.base import Request
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelRejected, TransientModelError
from reflectree.rlm_ops.settings import Evaluate

REQUEST = Request((), temperature=0.0, seed=1)


@given(st.floats(0, 1) | st.booleans() | st.integers(0, 1))
def test_a_score_is_a_number_from_zero_to_one(value: Any) -> None:
    assert checked(value) == float(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e-9, 1 + 1e-9, "x", None, [], 10**400])
def test_anything_else_is_no_score(value: Any) -> None:
    with pytest.raises((ScoreError, OverflowError)):
        checked(value)


def test_a_judge_is_never_certain() -> None:
    assert (capped(1.0), capped(0.5)) == (JUDGE_CEILING, 0.5)


def test_what_waits_is_not_done_at_once() -> None:
    run = a_run(always(""))
    with pytest.raises(TypeError, match="JudgeEvaluator is not local"):
        judge().score_now(run.structure.path(1))


def test_repeats_are_samples_of_one_request_that_differ() -> None:
    assert (repeated(REQUEST, Evaluate()).n, repeated(REQUEST, Evaluate()).temperature) == (1, 0.0)
    assert (repeated(REQUEST, Evaluate(repeats=3)).n, repeated(REQUEST, Evaluate(repeats=3)).temperature) == (3, 0.7)
    assert repeated(REQUEST, Evaluate(repeats=3, temperature=0.2)).temperature == 0.2


@pytest.mark.parametrize("second", [TransientModelError("503"), ModelRejected("401", 401)])
def test_what_was_paid_before_a_fault_stays_on_the_bill(second: Exception) -> None:
    async def twice() -> Asking:
        asking = Asking(a_run(says("yes", second, second)), "judge")
        assert [choice.text for choice in await asking.samples(REQUEST, lambda choice: None)] == ["yes"]
        with pytest.raises(ScoreError) as error:
            await asking.samples(REQUEST, lambda choice: None)
        assert error.value.usage == asking.usage
        return asking

    asking = run_virtually(twice())
    assert asking.usage.calls == (3 if isinstance(second, TransientModelError) else 1)


def test_a_first_refusal_costs_nothing_and_goes_up() -> None:
    async def ask(budget: Budget, count: int) -> None:
        asking = Asking(a_run(always("yes"), budget=budget), "judge")
        for _ in range(count):
            await asking.samples(REQUEST, lambda choice: None)

    with pytest.raises(BudgetRefused):
        run_virtually(ask(Budget(calls=0), 1))
    with pytest.raises(ScoreError, match="cap on calls") as error:
        run_virtually(ask(Budget(calls=1), 2))
    assert error.value.usage.calls == 1


def test_settings_that_cannot_be_name_themselves() -> None:
    with pytest.raises(BadInput, match="repeats=0"):
        settings_of(repeats=0)
