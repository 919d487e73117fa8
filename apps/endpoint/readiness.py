"""Whether runs can be saved now, asked of the checkpoint no more than every few seconds, however often probes ask.

What a checkpoint is, and what is done while it cannot be used, is not known here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

KEPT_S = 2.0
"""Seconds for which what was found is told again."""

PATIENCE_S = 3.0
"""Seconds after which a checkpoint that does not answer is one that cannot be used."""


class Readiness:
    """The last thing that was found out about a checkpoint; one event loop owns it.

    Args:
        check: Raises where the checkpoint cannot be used.
        kept: Seconds for which what was found is told again.
        patience: Seconds that a check may take.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[None]],
        *,
        kept: float = KEPT_S,
        patience: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check, self._kept, self._patience, self._clock = check, kept, patience, clock
        self._turn = asyncio.Lock()
        self._asked: float | None = None
        self._usable = True

    @property
    def failing(self) -> bool:
        """Whether it could not be used when it was last asked."""
        return not self._usable

    async def usable(self) -> bool:
        """Whether the checkpoint can be used; those who ask while it is being found out wait for what is found."""
        async with self._turn:
            if self._asked is None or self._clock() - self._asked >= self._kept:
                problem = await self._problem()
                self._asked = self._clock()
                self._tell(problem)
            return self._usable

    async def _problem(self) -> str | None:
        try:
            async with asyncio.timeout(self._patience):
                await self._check()
        except TimeoutError:
            return f"the checkpoint does not answer within {self._patience:g} s"
        except Exception as error:  # the boundary to the database: whatever it is, nothing can be saved
            return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return None

    def _tell(self, problem: str | None) -> None:
        """Log what has changed: probes ask every few seconds, and an outage may take hours."""
        if problem is not None and self._usable:
            logger.error("runs cannot be saved: %s", problem)
        elif problem is None and not self._usable:
            logger.warning("runs can be saved again")
        self._usable = problem is None
