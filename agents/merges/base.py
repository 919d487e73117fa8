"""What a way of merging is given, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from reflectree.models.base import Message
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.settings import Aggregate
from reflectree.rlm_ops.step import Granularity
from reflectree.rlm_ops.structure import ReasoningStructure


@dataclass(frozen=True, slots=True)
class Merging:
    """One merge to be asked for.

    Attributes:
        structure: The structure, to be read only.
        call: The call: its nodes are merged, in this order.
        settings: Those of the call's variant.
        granularity: How much the new text is.
        after: The node after whose path the new text is read.
    """

    structure: ReasoningStructure
    call: Call
    settings: Aggregate
    granularity: Granularity
    after: int


Way: TypeAlias = Callable[[Merging], tuple[Message, ...]]
"""Makes the conversation of a merge."""
