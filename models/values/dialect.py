"""The words of value clients: how a kind of server is asked, and the count of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reflectree.models.scoring.items import Item, Scored
from reflectree.models.values.reading import Result
from reflectree.rlm_ops.errors import ModelRejected


class Dialect(Protocol):
    """How a kind of server is asked, and what it answers: pure functions over items and parsed JSON."""

    @property
    def path(self) -> str:
        """Where items are sent."""
        ...

    @property
    def listing(self) -> str:
        """What is read to see whether the server is there."""
        ...

    @property
    def most(self) -> int:
        """The most items a request may hold."""
        ...

    @property
    def at_once(self) -> int:
        """The most requests worth sending at once."""
        ...

    def check(self, item: Item) -> None:
        """Raises ModelRejected where an item cannot be asked for."""
        ...

    def body(self, model: str, items: Sequence[Item]) -> dict[str, Any]:
        """The body of a request."""
        ...

    def read(self, data: Any, items: Sequence[Item], where: str) -> list[Result]:
        """One result an item, in order.

        Raises:
            Malformed: The reply is not of the shape it should be.
        """
        ...

    def models(self, data: Any) -> list[str]:
        """The names of the models that a listing tells of."""
        ...


class ItemsRefused(ModelRejected):
    """A request was refused because of some of its items; `items` says which, counted from 0."""

    def __init__(self, message: str, status: int, items: frozenset[int]) -> None:
        super().__init__(message, status)
        self.items = items


@dataclass(slots=True)
class Tally:
    """What a client has asked for so far.

    Attributes:
        requests: Requests, failed ones included.
        failed: Requests that gave no scores.
        items: Items that were scored.
        tokens: Their tokens, where the server counts them.
        cached: How many of those the server did not compute again.
    """

    requests: int = 0
    failed: int = 0
    items: int = 0
    tokens: int = 0
    cached: int = 0

    def count(self, results: Sequence[Result]) -> None:
        """Add what a request gave."""
        for result in results:
            if isinstance(result, Scored):
                self.items += 1
                self.tokens += result.tokens
                self.cached += result.cached
