"""`merge`, `consensus`, `synthesis`: what several branches add, in one text (Graph of Thoughts)."""

from __future__ import annotations

from typing import cast

from reflectree.agents.merges.base import Merging
from reflectree.agents.prompts.merging import MergeWay, merging
from reflectree.models.base import Message
from reflectree.rlm_ops.operators.aggregate import branches


def combine(merge: Merging) -> tuple[Message, ...]:
    """The conversation that asks for one text in place of several pieces."""
    structure, settings = merge.structure, merge.settings
    pieces = branches(structure, merge.call.nodes)
    way = cast(MergeWay, settings.prompt)
    return merging(structure.path(merge.after), pieces, way, merge.granularity, settings.instruction)
