from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.virtual_time import run_virtually

from reflectree.models.base import FREE, Capabilities, Choice, Message, Price, Reply, Request
from reflectree.models.calling import Caller, Outcome, Retries, spent_by
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import (
    BudgetRefused,
    ModelRejected,
    ModelTimeout,
    ModelUnreachable,
    TransientModelError,
)
from reflectree.rlm_ops.usage import NO_USAGE, Usage

Step = Reply | Exception | Callable[[Request], Any]


class Line:
    """A policy that takes one prepared step a request."""

    name = "line"

    def __init__(self, *steps: Step, price: Price | None = FREE, max_n: int = 8) -> None:
        self.steps = list(steps)
        self.price = price
        self.capabilities = Capabilities(max_n=max_n)
        self.requests: list[Request] = []
        self.times: list[float] = []

    async def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        step = self.steps.pop(0)
        if callable(step):
            step = await step(request)
        if isinstance(step, Exception):
            raise step
        return step

    def prompt_bound(self, request: Request) -> int:
        return 10

    async def aclose(self) -> None:
        pass


def reply(*texts: str, finish: Any = "stop", usage: Usage | None = None) -> Reply:
    return Reply(tuple(Choice(text, finish) for text in texts), usage or Usage(1, 0, 10, 5 * len(texts), 0.0))


def usable(choice: Choice) -> str | None:
    return None if choice.text.strip() and choice.finish == "stop" else "unusable"


REQUEST = Request((Message("user", "Hi"),), max_tokens=20, seed=5, timeout=30.0)


def call(
    line: Line, request: Request = REQUEST, ledger: Ledger | None = None, retries: Retries | None = None
) -> Outcome:
    return run_virtually(Caller(line, ledger or Ledger(Budget()), retries).call(request, usable))


def test_a_usable_reply_is_one_request() -> None:
    outcome = call(Line(reply("yes")))
    assert outcome == Outcome((Choice("yes"),), Usage(1, 0, 10, 5, 0.0))


def test_transient_faults_are_tried_again_with_growing_jittered_waits() -> None:
    line = Line(*[TransientModelError("503")] * 5, reply("yes"))
    outcome = call(line)
    assert outcome.samples == (Choice("yes"),)
    assert outcome.usage == Usage(6, 5, 10, 5, 0.0)
    waits = [b - a for a, b in zip(line.times, line.times[1:], strict=False)]
    assert all(0 <= wait <= 0.25 * 2**at for at, wait in enumerate(waits))


def test_waits_are_drawn_anew() -> None:
    drawn = set()
    for _ in range(5):
        line = Line(TransientModelError("503"), reply("yes"))
        call(line)
        drawn.add(line.times[1])
    assert len(drawn) > 1


@pytest.mark.parametrize(("wish", "waited"), [(7.0, 7.0), (0.0, 0.0), (1e9, 30.0)])
def test_what_the_provider_wishes_is_kept_up_to_the_longest_wait(wish: float, waited: float) -> None:
    line = Line(TransientModelError("429", retry_after=wish), reply("yes"))
    call(line)
    assert line.times == [0.0, pytest.approx(waited)]


def test_out_of_attempts_the_whole_bill_is_kept() -> None:
    line = Line(*[TransientModelError("503")] * 3)
    ledger = Ledger(Budget())
    with pytest.raises(TransientModelError, match="503") as error:
        call(line, ledger=ledger, retries=Retries(attempts=3))
    assert spent_by(error.value) == ledger.spent == Usage(3, 3)
    assert not ledger.calls_held
    assert spent_by(ValueError()) == NO_USAGE


def test_a_rejected_key_is_not_tried_again() -> None:
    line = Line(ModelRejected("401 wrong key", 401))
    with pytest.raises(ModelRejected):
        call(line)
    assert len(line.requests) == 1


def test_a_400_about_one_prompt_fails_that_call_once_the_model_has_answered() -> None:
    line = Line(reply("yes"), ModelRejected("400 too long", 400))

    async def story() -> None:
        caller = Caller(line, Ledger(Budget()))
        await caller.call(REQUEST, usable)
        with pytest.raises(TransientModelError, match="too long") as error:
            await caller.call(REQUEST, usable)
        assert spent_by(error.value) == Usage(1, 1)

    run_virtually(story())
    assert len(line.requests) == 2


def test_an_endpoint_that_never_answered_is_given_up_early() -> None:
    line = Line(*[ModelUnreachable("refused")] * 6)
    with pytest.raises(ModelUnreachable):
        call(line)
    assert len(line.requests) == 2


def test_an_endpoint_that_answered_before_is_tried_on() -> None:
    line = Line(reply("yes"), *[ModelUnreachable("reset")] * 4, reply("again"))

    async def story() -> Outcome:
        caller = Caller(line, Ledger(Budget()))
        await caller.call(REQUEST, usable)
        return await caller.call(REQUEST, usable)

    assert run_virtually(story()).samples == (Choice("again"),)


@pytest.mark.parametrize(
    ("bad", "tokens"),
    [
        (reply(""), 20),
        (reply("half", finish="length"), 40),
        (reply("", finish="length"), 80),
        (reply("no", finish="filter"), 20),
        (Reply(()), 20),
    ],
)
def test_an_unusable_reply_is_tried_once_more_with_the_room_it_needs(bad: Reply, tokens: int) -> None:
    line = Line(bad, reply("yes"))
    outcome = call(line)
    assert outcome.samples == (Choice("yes"),)
    assert line.requests[1].max_tokens == tokens
    assert line.requests[1].seed != REQUEST.seed
    assert outcome.usage == bad.usage + Usage(1, 0, 10, 5, 0.0) or outcome.usage.failed_calls == bad.usage.calls


def test_unusable_twice_is_given_up_with_its_reason() -> None:
    line = Line(reply(""), reply(" "))
    outcome = call(line)
    assert outcome.samples == ("unusable",)
    assert outcome.usage == Usage(2, 2, 20, 10, 0.0)


def test_only_the_samples_that_failed_are_asked_for_again() -> None:
    line = Line(reply("a", "", "c"), reply("b"))
    outcome = call(line, Request(REQUEST.messages, n=3))
    assert [choice.text for choice in outcome.samples if isinstance(choice, Choice)] == ["a", "b", "c"]
    assert line.requests[1].n == 1


def test_a_second_try_that_the_budget_refuses_leaves_the_first_ones_samples() -> None:
    line = Line(reply("a", ""))
    outcome = call(line, Request(REQUEST.messages, n=2, max_tokens=20), Ledger(Budget(calls=1)))
    assert outcome.samples == (Choice("a"), "unusable")
    assert outcome.usage.calls == len(line.requests) == 1


@pytest.mark.parametrize("fault", [TransientModelError("503"), ModelRejected("400", 400), ModelTimeout("slow")])
def test_a_second_try_that_faults_stays_on_the_bill(fault: Exception) -> None:
    line = Line(reply("a", ""), *[fault] * 3)
    ledger = Ledger(Budget())
    outcome = call(line, Request(REQUEST.messages, n=2), ledger, Retries(attempts=3))
    assert outcome.samples == (Choice("a"), "unusable")
    assert outcome.usage.calls == len(line.requests) == ledger.spent.calls


async def hangs(request: Request) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_hanging_client_is_cut() -> None:
    line = Line(hangs, reply("yes"))
    outcome = call(line)
    assert outcome.samples == (Choice("yes"),)
    assert outcome.usage == Usage(2, 1, 10, 5, 0.0)
    assert 30 <= line.times[1] <= 33


def test_a_client_that_raises_time_outs_of_its_own_is_transient() -> None:
    line = Line(TimeoutError(), reply("yes"))
    assert call(line).samples == (Choice("yes"),)


def test_a_refused_reservation_sends_nothing() -> None:
    line = Line(reply("yes"))
    for budget in (Budget(calls=0), Budget(tokens=29), Budget(seconds=0)):
        with pytest.raises(BudgetRefused):
            call(line, ledger=Ledger(budget))
    assert line.requests == []
    call(line, ledger=Ledger(Budget(tokens=30)))


def test_dollars_are_reserved_at_the_price_of_all_that_may_be_written() -> None:
    line = Line(reply("yes"), price=Price(1e6, 1e6))
    with pytest.raises(BudgetRefused, match="usd"):
        call(line, ledger=Ledger(Budget(usd=29.0)))
    assert line.requests == []


def test_samples_a_model_takes_one_by_one_are_reserved_one_by_one() -> None:
    line = Line(reply("a", "b", "c", usage=Usage(3, 0, 30, 15, 0.0)), max_n=1)
    with pytest.raises(BudgetRefused, match="calls"):
        call(line, Request(REQUEST.messages, n=3), Ledger(Budget(calls=2)))
    outcome = call(line, Request(REQUEST.messages, n=3), Ledger(Budget(calls=3)))
    assert outcome.usage.calls == 3


def test_no_wait_reaches_beyond_the_seconds_left() -> None:
    now = 0.0

    async def later(request: Request) -> Reply:
        nonlocal now
        now += 4.0
        raise TransientModelError("503", retry_after=100.0)

    line = Line(later, later, later)
    with pytest.raises(TransientModelError):
        call(line, ledger=Ledger(Budget(seconds=10.0), clock=lambda: now), retries=Retries(longest_wait=1000.0))
    assert [b - a for a, b in zip(line.times, line.times[1:], strict=False)] == [pytest.approx(6.0), pytest.approx(2.0)]


def test_a_cancelled_call_gives_its_reservation_back_and_stays_on_the_bill() -> None:
    ledger = Ledger(Budget(calls=5))

    async def story() -> None:
        task = asyncio.create_task(Caller(Line(hangs), ledger).call(REQUEST, usable))
        await asyncio.sleep(1)
        assert ledger.calls_held
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(story())
    assert not ledger.calls_held
    assert ledger.spent == Usage(1, 1)
