"""What memory leaves in a trace: the records a run was shown, and what it learnt in the end.

Both are data: JSON values that need no store to be replayed. What a record is, where it is kept and whether it is any
good is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from reflectree.rlm_ops.usage import NO_USAGE, Usage

Arm = Literal["", "memory", "control"]
"""Whether a run was shown what it recalled; the control arm is shown nothing, and "" had no memory."""

REFLECT = "reflect"
"""The operator by which a run learns; its variants are the ways to learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflected:
    """A run looked back and learnt something, or judged how it went. Comes before the answer, after the search.

    Attributes:
        index: Which stage of learning it is, from 0.
        how: The way: `judge`, `experience`, `reflect`, `contrast`, `curate`, `sheet`, `concepts`, `skill`, `replay`.
        source: Who said how the run went.
        items: What was learnt, as proposals: what becomes of them, the memory's gates decide.
        note: What else was said, in words.
    """

    op: ClassVar[str] = REFLECT
    index: int = 0
    how: str = ""
    source: str = ""
    items: tuple[dict[str, Any], ...] = ()
    note: str = ""
    usage: Usage = NO_USAGE
    seq: int = -1


def shown(arm: str, recalled: Sequence[Mapping[str, Any]]) -> str:
    """What a run was shown of what it recalled, each text with its record's id in it; "" in the control arm."""
    if arm != "memory":
        return ""
    return "\n".join(str(row["text"]) for row in recalled)
