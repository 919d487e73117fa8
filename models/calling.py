"""The one layer between an agent and a model: budget, time-out, retries, and what counts as a reply.

A client makes one attempt and raises a typed error. Here each attempt is reserved in the ledger before it is sent and
settled after it; transient faults are tried again with jittered back-off (`Retry-After` is honoured); a reply without
usable content is tried once more, with more room if it was cut short, and then given up. Nothing here knows what a
prompt or a step is: the caller says what is usable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from reflectree.models.base import Choice, PolicyModel, Reply, Request
from reflectree.rlm_ops.budget import Ledger
from reflectree.rlm_ops.errors import (
    BudgetRefused,
    ModelError,
    ModelRejected,
    ModelTimeout,
    ModelUnreachable,
    TransientModelError,
)
from reflectree.rlm_ops.usage import NO_USAGE, Usage

HOPELESS = frozenset({401, 402, 403, 404})
"""Statuses that no other request will escape; a 400 or 413 may be about one prompt, and fails that one."""
GRACE = 1.0
"""Seconds after its own time-out at which a client that does not keep it is cut."""
MORE_ROOM = 2
"""A reply cut short is asked for again with so many times the tokens; twice that where a model thinks in hiding."""

Check = Callable[[Choice], str | None]
"""Says what is wrong with a choice, or `None` if it can be used."""

Rephrase = Callable[[Request, Choice], Request]
"""Puts a request differently after a choice that could not be used."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request came to: one entry a sample, a choice or the reason why there is none; and the whole bill."""

    samples: tuple[Choice | str, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Retries:
    """How transient faults are tried again.

    Attributes:
        attempts: Most attempts a request, the first included.
        first_wait: Seconds the first wait is drawn up to; it doubles from there (full jitter).
        longest_wait: Seconds no wait exceeds, `Retry-After` included.
    """

    attempts: int = 6
    first_wait: float = 0.25
    longest_wait: float = 30.0


class Caller:
    """Makes a run's calls to one model.

    Args:
        policy: The model.
        ledger: The run's account.
        retries: How transient faults are tried again.
    """

    def __init__(self, policy: PolicyModel, ledger: Ledger, retries: Retries | None = None) -> None:
        self.policy = policy
        self.ledger = ledger
        self.retries = retries or Retries()
        self.reached = False
        """Whether the model ever answered: before that, an unreachable endpoint is given up early."""
        self._backoff = wait_random_exponential(self.retries.first_wait, self.retries.longest_wait)

    async def call(self, request: Request, check: Check, rephrase: Rephrase | None = None) -> Outcome:
        """Sample `request.n` usable choices.

        Args:
            request: What to ask.
            check: What can be used.
            rephrase: How to put it for the second try; unchanged (but for seed and room) where absent.

        Raises:
            BudgetRefused: The first attempt was refused; nothing was sent and nothing is owed.
            ModelRejected: The provider refused the request for good.
            ModelUnreachable: The endpoint has never answered in this run.
        """
        reply, usage = await self._reply(request)
        samples, usage = _judge(reply, usage, request, check)
        bad = [position for position, sample in enumerate(samples) if isinstance(sample, str)]
        if bad:
            again = replace(request, n=len(bad))
            if rephrase is not None and bad[0] < len(reply.choices):
                again = rephrase(again, reply.choices[bad[0]])
            second, more = await self._second_try(again, reply)
            if second is not None:
                fresh, more = _judge(second, more, again, check)
                for position, sample in zip(bad, fresh, strict=True):
                    samples[position] = sample
            usage = usage + more
        return Outcome(tuple(samples), usage)

    async def _second_try(self, request: Request, first: Reply) -> tuple[Reply | None, Usage]:
        """One more attempt at a reply that could not be used; `None` if the budget or the model refuses it."""
        cut = any(choice.finish == "length" for choice in first.choices)
        silent = any(not choice.text.strip() for choice in first.choices)
        factor = MORE_ROOM * MORE_ROOM if cut and silent else MORE_ROOM if cut else 1
        seed = None if request.seed is None else request.seed ^ 0x5DEECE6
        try:
            reply, usage = await self._reply(replace(request, max_tokens=request.max_tokens * factor, seed=seed))
        except _Paid as paid:
            return None, paid.usage
        except (BudgetRefused, ModelError):
            return None, NO_USAGE
        return reply, usage

    async def _reply(self, request: Request) -> tuple[Reply, Usage]:
        """A reply after as many attempts as it takes, with the bill of all of them."""
        failed = NO_USAGE
        known: TransientModelError | None = None
        last: ModelError | None = None

        async def attempt() -> Reply:
            nonlocal failed, known, last
            if known is not None:  # the first attempt was made outside: most calls need no retrying at all
                error, known = known, None
                raise error
            try:
                return await self._attempt(request)
            except ModelError as error:
                failed, last = failed + _failed(self._requests(request)), error
                raise

        try:
            try:
                reply = await attempt()
            except TransientModelError as error:
                known = error
                reply = await AsyncRetrying(
                    retry=retry_if_exception_type(TransientModelError), stop=self._enough, wait=self._wait, reraise=True
                )(attempt)
        except (ModelError, BudgetRefused) as error:
            if failed and not self._fatal(error):
                why = str(error) if isinstance(error, ModelError) else f"{last}; not tried again: {error}"
                raise _Paid(why, failed) from error
            raise
        self.reached = True
        return reply, reply.usage + failed if failed else reply.usage

    def _hopeless(self, error: BaseException) -> bool:
        return isinstance(error, ModelUnreachable) and not self.reached

    def _fatal(self, error: BaseException) -> bool:
        """Whether every later call would fare the same, so that the run should end and say why."""
        if isinstance(error, ModelRejected):
            return not self.reached or error.status in HOPELESS
        return self._hopeless(error)

    def _wait(self, state: RetryCallState) -> float:
        """Seconds before the next attempt: what the provider wished for, else a drawn back-off; never past the cap."""
        error = state.outcome.exception() if state.outcome else None
        wished = error.retry_after if isinstance(error, TransientModelError) else None
        wait = float(self._backoff(state)) if wished is None else min(wished, self.retries.longest_wait)
        left = self.ledger.seconds_left
        return wait if left is None else min(wait, left)

    def _enough(self, state: RetryCallState) -> bool:
        """Whether to give up: out of attempts, out of time, or nobody there."""
        error = state.outcome.exception() if state.outcome else None
        most = 2 if error is not None and self._hopeless(error) else self.retries.attempts
        return state.attempt_number >= most or self.ledger.seconds_left == 0.0

    def _requests(self, request: Request) -> int:
        """How many requests the model makes of one: several where it takes fewer samples at once."""
        return -(-request.n // max(1, self.policy.capabilities.max_n))

    async def _attempt(self, request: Request) -> Reply:
        """Reserve, send, settle."""
        requests = self._requests(request)
        prompt = self.policy.prompt_bound(request) * requests
        written = request.max_tokens * request.n
        price = self.policy.price
        reservation = self.ledger.reserve(prompt + written, price.of(prompt, written) if price else 0.0, requests)
        left = self.ledger.seconds_left
        if left is not None and left < request.timeout:
            request = replace(request, timeout=max(left, 0.001))
        usage = _failed(requests)
        try:
            # the client keeps the time-out itself, so that the samples it did get are not lost with one that hangs
            async with asyncio.timeout(request.timeout + GRACE):
                reply = await self.policy.complete(request)
            usage = reply.usage
        except TimeoutError as error:
            raise ModelTimeout(f"no reply within {request.timeout:g} s") from error
        finally:
            self.ledger.settle(reservation, usage)
        return reply


def _failed(requests: int) -> Usage:
    return Usage(calls=requests, failed_calls=requests)


class _Paid(TransientModelError):
    """A request given up after attempts that have to be on the bill."""

    def __init__(self, message: str, usage: Usage) -> None:
        super().__init__(message)
        self.usage = usage


def spent_by(error: BaseException) -> Usage:
    """What a request cost that ended in `error`."""
    return error.usage if isinstance(error, _Paid) else NO_USAGE


def _judge(reply: Reply, usage: Usage, request: Request, check: Check) -> tuple[list[Choice | str], Usage]:
    """One entry a sample asked for, the choice or what is wrong with it; and the bill, failed where none is usable."""
    judged: list[Choice | str] = [check(choice) or choice for choice in reply.choices[: request.n]]
    judged += ["no reply"] * (request.n - len(judged))
    if all(isinstance(sample, str) for sample in judged):
        usage = replace(usage, failed_calls=usage.calls)
    return judged, usage
