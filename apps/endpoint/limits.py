"""How much each key may ask for (runs a minute, runs at once, dollars and tokens a day), and how much the server takes.

What a run may cost is reserved before it begins and settled from its bill after it, so that no limit is passed however
many runs are under way; a run is given no more than is left. How it is kept across restarts is not known here.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reflectree.apps.endpoint.keys import Key
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.usage import Usage

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request and all together may ask for.

    Attributes:
        body_bytes: Most bytes of a body.
        body_seconds: Seconds in which it must have arrived.
        concurrent: Most runs under way.
    """

    body_bytes: int = 4 * 2**20
    body_seconds: float = 30.0
    concurrent: int = 1024


@dataclass(slots=True)
class Spent:
    """What a key has spent on a day, and what its runs under way may yet spend."""

    day: int = -1
    usd: float = 0.0
    tokens: int = 0
    held_usd: float = 0.0
    held_tokens: int = 0


@dataclass(slots=True)
class _Account:
    """What one key has done.

    Attributes:
        allowance: Runs that it may begin at once; grows with time.
        since: When that was reckoned.
        under_way: Runs under way.
    """

    allowance: float = 0.0
    since: float = -1.0
    under_way: int = 0
    spent: Spent = field(default_factory=Spent)


@dataclass(frozen=True, slots=True)
class Grant:
    """The permission to begin one run.

    Attributes:
        key: Whose.
        budget: What it may cost: what was asked for, and no more than is left.
        usd: Dollars reserved.
        tokens: Tokens reserved.
    """

    key: Key
    budget: Budget
    usd: float = 0.0
    tokens: int = 0


class Gate:
    """Begins and ends runs, in the books of one process. Not thread-safe: one event loop owns it.

    Args:
        limits: Of the server.
        clock: Monotonic seconds.
        today: Seconds since 1970, which say the day.
    """

    def __init__(
        self, limits: Limits, *, clock: Callable[[], float] = time.monotonic, today: Callable[[], float] = time.time
    ) -> None:
        self.limits = limits
        self.under_way = 0
        self._clock, self._today = clock, today
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)

    def enter(self, key: Key, budget: Budget, *, again: bool = False) -> Grant:
        """Begin a run, if the limits allow it.

        Args:
            key: Whose run.
            budget: What was asked for it.
            again: Whether it was allowed before, and is gone on with: only what it may spend counts.

        Raises:
            ApiError: They do not: 429 with the seconds to wait, or 503 where the server has all it can take.
        """
        account = self._accounts[key.name]
        if not again:
            self._check_room(key, account)
        grant = self._reserved(key, account, budget)
        if not again:
            self._take_turn(key, account)
        account.spent.held_usd += grant.usd
        account.spent.held_tokens += grant.tokens
        account.under_way += 1
        self.under_way += 1
        return grant

    def leave(self, grant: Grant, usage: Usage) -> None:
        """End a run: what it cost takes the place of what it might have."""
        account = self._accounts[grant.key.name]
        account.under_way -= 1
        self.under_way -= 1
        spent = self._of_today(account)
        spent.held_usd = max(0.0, spent.held_usd - grant.usd)
        spent.held_tokens = max(0, spent.held_tokens - grant.tokens)
        spent.usd += usage.usd or 0.0
        spent.tokens += usage.tokens

    def recall(self, name: str, day: int, usd: float, tokens: int) -> None:
        """What a key has spent on a day, as it was kept."""
        spent = self._of_today(self._accounts[name])
        if day == spent.day:
            spent.usd, spent.tokens = max(spent.usd, usd), max(spent.tokens, tokens)

    @property
    def day(self) -> int:
        """Today, in days since 1970, UTC."""
        return int(self._today() // _DAY)

    def _check_room(self, key: Key, account: _Account) -> None:
        if self.under_way >= self.limits.concurrent:
            said = f"the server has {self.under_way:,} runs under way, the most it takes: ask again in a moment"
            raise ApiError(503, "overloaded", said, headers={"Retry-After": "1"})
        if key.concurrent is not None and account.under_way >= key.concurrent:
            said = f"the key {key.name} has {account.under_way} runs under way, its most: wait for one to end"
            raise ApiError(429, "too_many_runs", said, headers={"Retry-After": "1"})
        if key.requests_per_minute is not None:
            now = self._clock()
            most = max(1.0, key.requests_per_minute)
            if account.since < 0:
                account.allowance = most
            else:
                account.allowance += (now - account.since) * key.requests_per_minute / 60
            account.allowance, account.since = min(account.allowance, most), now
            if account.allowance < 1:
                wait = (1 - account.allowance) * 60 / key.requests_per_minute
                said = f"the key {key.name} may begin {key.requests_per_minute:g} runs a minute: wait {wait:.1f} s"
                raise ApiError(429, "rate_limit_exceeded", said, headers={"Retry-After": str(max(1, round(wait)))})

    def _take_turn(self, key: Key, account: _Account) -> None:
        if key.requests_per_minute is not None:
            account.allowance -= 1

    def _reserved(self, key: Key, account: _Account, budget: Budget) -> Grant:
        """The most the run may cost; its budget is tightened to what is left of the day's."""
        spent = self._of_today(account)
        usd, tokens = 0.0, 0
        if key.usd_per_day is not None:
            left = key.usd_per_day - spent.usd - spent.held_usd
            if left <= 0:
                raise self._used_up(key, f"${key.usd_per_day:g}", spent.held_usd > 0)
            usd = left if budget.usd is None else min(left, budget.usd)
            budget = replace(budget, usd=usd)
        if key.tokens_per_day is not None:
            rest = key.tokens_per_day - spent.tokens - spent.held_tokens
            if rest <= 0:
                raise self._used_up(key, f"{key.tokens_per_day:,} tokens", spent.held_tokens > 0)
            tokens = rest if budget.tokens is None else min(rest, budget.tokens)
            budget = replace(budget, tokens=tokens)
        return Grant(key, budget, usd, tokens)

    def _used_up(self, key: Key, what: str, held: bool) -> ApiError:
        """Nothing is left; or all that is left is reserved for runs under way, and may come free."""
        wait = 5 if held else round(_DAY - self._today() % _DAY)
        why = "runs under way may need the rest: cap them, X-Reflectree-Max-*" if held else "ask again tomorrow (UTC)"
        said = f"the key {key.name} may spend {what} a day: {why}"
        return ApiError(429, "spend_limit_exceeded", said, headers={"Retry-After": str(max(1, wait))})

    def _of_today(self, account: _Account) -> Spent:
        """The books of today; what was reserved yesterday and is not settled is still reserved."""
        spent = account.spent
        if spent.day != self.day:
            spent.day, spent.usd, spent.tokens = self.day, 0.0, 0
        return spent
