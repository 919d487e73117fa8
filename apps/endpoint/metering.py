"""What one run's calls of its policy come to, also of those that nobody waited for to their end.

A provider may charge a call to its end though whoever asked has hung up. What a trace tells are the calls that were
answered; here every call counts from when it is sent. Whose bill it is, and what limits there are, is not known here.
"""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import override

from reflectree.models.base import PolicyModel, Reply, Request
from reflectree.models.wrapping import Wrapped
from reflectree.rlm_ops.errors import ModelError, ModelTimeout
from reflectree.rlm_ops.usage import NO_USAGE, Usage


class Metered(Wrapped):
    """A policy as one run uses it.

    Args:
        policy: The policy, which other runs use too.
    """

    def __init__(self, policy: PolicyModel) -> None:
        super().__init__(policy)
        self._known = NO_USAGE
        self._open: dict[int, Request] = {}
        """The calls that were sent and not settled, those that were cut among them."""
        self._sent = 0

    @property
    def usage(self) -> Usage:
        """The bill so far: of a call without a reply, the most that it can cost; of one that timed out, its prompt."""
        bill = self._known
        for request in self._open.values():
            bill = bill + self._most(request, request.max_tokens * request.n)
        return bill

    @override
    async def complete(self, request: Request) -> Reply:
        """Make one attempt.

        Raises:
            ModelError: What the policy raises.
        """
        self._sent += 1
        number = self._sent
        self._open[number] = request
        try:
            reply = await self._policy.complete(request)
        except ModelError as error:
            del self._open[number]
            cost = self._most(request, 0)
            self._known = self._known + (cost if isinstance(error, ModelTimeout) else _of_nothing(cost))
            raise
        del self._open[number]  # only now: a call that is cancelled may be paid to its end
        self._known = self._known + reply.usage
        return reply

    @override
    async def aclose(self) -> None:
        """Nothing: the policy is not this run's."""

    def _most(self, request: Request, written: int) -> Usage:
        """What a call costs at most that writes so many tokens."""
        requests = -(-request.n // max(1, self.capabilities.max_n))
        prompt = self.prompt_bound(request) * requests
        usd = None if self.price is None else self.price.of(prompt, written)
        return Usage(requests, requests, prompt, written, usd)


def _of_nothing(cost: Usage) -> Usage:
    """The bill of a call that came to nothing."""
    return replace(cost, prompt_tokens=0, usd=0.0)
