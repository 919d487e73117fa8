"""`debate`, `layer`: agents read what others wrote."""

from __future__ import annotations

from reflectree.agents.merges.base import Merging
from reflectree.models.base import Message


def debate(merge: Merging) -> tuple[Message, ...]:
    """Being written."""
    raise NotImplementedError


def layer(merge: Merging) -> tuple[Message, ...]:
    """Being written."""
    raise NotImplementedError
