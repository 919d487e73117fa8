"""A policy around another one: what it does more is a subclass's business, in all else it is that policy."""

from __future__ import annotations

from typing import Any

from reflectree.models.base import Capabilities, PolicyModel, Price, Reply, Request


class Wrapped:
    """A policy that is another one in all that is not overridden, attributes of its own kind included.

    Args:
        policy: The policy.
    """

    def __init__(self, policy: PolicyModel) -> None:
        self._policy = policy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)

    def __repr__(self) -> str:
        return repr(self._policy)

    @property
    def name(self) -> str:
        """The policy's own."""
        return self._policy.name

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, as known so far."""
        return self._policy.capabilities

    @property
    def price(self) -> Price | None:
        """Its price."""
        return self._policy.price

    async def complete(self, request: Request) -> Reply:
        """Make one attempt; see `PolicyModel.complete`."""
        return await self._policy.complete(request)

    def prompt_bound(self, request: Request) -> int:
        """At least the tokens of one prompt; see `PolicyModel.prompt_bound`."""
        return self._policy.prompt_bound(request)

    async def aclose(self) -> None:
        """Close the policy."""
        await self._policy.aclose()
