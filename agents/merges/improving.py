"""`improve`, `versions`: a better one after those shown with their values."""

from __future__ import annotations

from reflectree.agents.merges.base import Merging
from reflectree.models.base import Message


def improve(merge: Merging) -> tuple[Message, ...]:
    """Being written."""
    raise NotImplementedError


def versions(merge: Merging) -> tuple[Message, ...]:
    """Being written."""
    raise NotImplementedError
