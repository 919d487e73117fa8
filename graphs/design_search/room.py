"""Whether a budget has room for one more run beside those under way: runs wait for each other where it has not.

A call holds the most that it could cost until it is answered, which may be many times what it does cost. Near the end
of a budget the runs under way hold so much that another one is refused, although what is left would pay it once they
are back. Fewer go on at once there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from typing_extensions import override

from reflectree.rlm_ops.budget import Budget, Ledger, Reservation


class Meter(Ledger):
    """The bill of one run, on an account.

    Attributes:
        most_tokens: The most tokens that one of its calls held, or wanted to hold, and `most_usd` dollars.
    """

    __slots__ = ("most_tokens", "most_usd")

    def __init__(self, account: Ledger) -> None:
        super().__init__(Budget(), parent=account)
        self.most_tokens = 0
        self.most_usd = 0.0

    @override
    def reserve(self, tokens: int, usd: float = 0.0, calls: int = 1) -> Reservation:
        self.most_tokens, self.most_usd = max(self.most_tokens, tokens), max(self.most_usd, usd)
        return super().reserve(tokens, usd, calls)


class Room:
    """What the runs under way may hold together.

    Attributes:
        tokens: The most tokens that one call has held so far, and `usd` dollars.
    """

    def __init__(self) -> None:
        self.tokens = 0
        self.usd = 0.0
        self._under_way = 0
        self._back = asyncio.Event()

    @contextlib.asynccontextmanager
    async def take(self, account: Ledger, calls: int) -> AsyncIterator[None]:
        """Wait until a run with so many calls at once fits, or no other run is under way."""
        while self._under_way and not self._fits(account, calls):
            self._back.clear()
            await self._back.wait()
        self._under_way += calls
        try:
            yield
        finally:
            self._under_way -= calls
            self._back.set()

    def learn(self, meter: Meter) -> None:
        """Take note of what the calls of a run have held."""
        self.tokens, self.usd = max(self.tokens, meter.most_tokens), max(self.usd, meter.most_usd)

    def _fits(self, account: Ledger, calls: int) -> bool:
        wanted, budget, spent = self._under_way + calls, account.budget, account.spent
        if budget.tokens is not None and spent.tokens + wanted * self.tokens > budget.tokens:
            return False
        return budget.usd is None or (spent.usd or 0.0) + wanted * self.usd <= budget.usd
