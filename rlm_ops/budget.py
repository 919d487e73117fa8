"""Hard caps on calls, tokens, dollars and seconds: reserved before a call, settled from its usage after it.

The ledger never lets the sum of what is spent and what is reserved pass a cap, at any concurrency; it refuses the
reservation instead. It knows nothing of models: callers tell it the most a call can cost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from reflectree.rlm_ops.errors import BadInput, BudgetRefused
from reflectree.rlm_ops.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps of a run; `None` is no cap.

    Attributes:
        calls: Requests sent to models, failed ones included.
        tokens: Prompt and completion tokens together.
        usd: Dollars. Needs a model whose price is known.
        seconds: Wall-clock seconds, those before an interruption included.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for spec in fields(self):
            cap = getattr(self, spec.name)
            if cap is None:
                continue
            if isinstance(cap, bool) or not isinstance(cap, int | float) or math.isnan(cap) or cap < 0:
                raise BadInput(f"budget {spec.name}={cap!r}: give a number of at least 0, or leave it out for no cap")


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most one call can cost, held until it is settled or released."""

    calls: int
    tokens: int
    usd: float


class Ledger:
    """The running account of one run. Not thread-safe: one event loop owns it.

    Args:
        budget: The caps.
        spent: What was already spent, read from the trace when a run is resumed.
        elapsed: Seconds already spent before.
        parent: The account of the run this one is nested in: what is reserved here is reserved there too.
        clock: Monotonic seconds; tests pass their own.
    """

    __slots__ = (
        *("_clock", "_held_calls", "_held_tokens", "_held_usd", "_parent", "_started", "_upper"),
        *("budget", "overrun", "spent"),
    )

    def __init__(
        self,
        budget: Budget,
        *,
        spent: Usage = NO_USAGE,
        elapsed: float = 0.0,
        parent: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = budget
        self.spent = spent
        self.overrun = 0
        """The most tokens a call ever cost beyond its reservation; added to every later one."""
        self._clock = clock
        self._started = clock() - elapsed
        self._held_calls = 0
        self._held_tokens = 0
        self._held_usd = 0.0
        self._parent = parent
        self._upper: dict[int, Reservation] = {}
        if parent is not None:
            parent.take_over(spent)

    def take_over(self, usage: Usage) -> None:
        """Count what a nested run had spent before it was interrupted, which no event of this run tells of yet."""
        self.spent = self.spent + usage
        if self._parent is not None:
            self._parent.take_over(usage)

    @property
    def elapsed(self) -> float:
        """Seconds spent, those of interrupted earlier parts included."""
        return self._clock() - self._started

    def discount(self, seconds: float) -> None:
        """Do not count some of the time: the run waited for a person."""
        self._started += seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the nearest cap, or `None` without one."""
        cap = self.budget.seconds
        own = None if cap is None else max(0.0, cap - self.elapsed)
        above = self._parent.seconds_left if self._parent else None
        return own if above is None else above if own is None else min(own, above)

    @property
    def calls_held(self) -> int:
        """Requests reserved and not settled: those on their way now."""
        return self._held_calls

    def reserve(self, tokens: int, usd: float = 0.0, calls: int = 1) -> Reservation:
        """Hold the most that `calls` requests can cost together.

        Raises:
            BudgetRefused: A cap could be exceeded; nothing is held.
        """
        budget, spent = self.budget, self.spent
        if budget.calls is not None and spent.calls + self._held_calls + calls > budget.calls:
            raise BudgetRefused("calls")
        if budget.tokens is not None:
            tokens += self.overrun
            if spent.tokens + self._held_tokens + tokens > budget.tokens:
                raise BudgetRefused("tokens")
        if budget.usd is not None and (spent.usd is None or spent.usd + self._held_usd + usd > budget.usd):
            raise BudgetRefused("usd")
        if budget.seconds is not None and self.elapsed >= budget.seconds:
            raise BudgetRefused("seconds")
        reservation = Reservation(calls, tokens, usd)
        if self._parent is not None:
            self._upper[id(reservation)] = self._parent.reserve(tokens, usd, calls)
        self._held_calls += calls
        self._held_tokens += tokens
        self._held_usd += usd
        return reservation

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Replace a reservation by what the call really cost; where it does not say, that is the most it could."""
        self._let_go(reservation)
        if self._parent is not None:
            self._parent.settle(self._upper.pop(id(reservation)), usage)
        self.spent = self.spent + (replace(usage, usd=reservation.usd) if usage.usd is None else usage)
        if usage.tokens > reservation.tokens:
            self.overrun = max(self.overrun, usage.tokens - reservation.tokens)

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back: the call was never sent."""
        self._let_go(reservation)
        if self._parent is not None:
            self._parent.release(self._upper.pop(id(reservation)))

    def _let_go(self, reservation: Reservation) -> None:
        self._held_calls -= reservation.calls
        self._held_tokens -= reservation.tokens
        self._held_usd -= reservation.usd
