"""What happens to a memory: one frozen class an event, and its wire form, a row with its number and its `op`.

The events are the truth and the current records are their fold (`reflectree.memory.ledger.folding`). No event carries
a time: the ledger's clock counts settled runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from reflectree.memory.records.origin import Source
from reflectree.memory.records.rows import Row, explain
from reflectree.rlm_ops.errors import TraceError

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A record was written; its standing begins anew, unless a trusted file of one's own brought it."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["written"] = "written"
    record: Row
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The content of a record was replaced in part; id and counts stay, trust must be regained."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["edited"] = "edited"
    id: str
    content: Row
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted:
    """A word on a record.

    Attributes:
        votes: ExpeL's votes, added.
        helpful: ACE's counter, added; `harmful` too.
        task: The task it was seen on; independent evidence is of distinct tasks.
        supports: Whether the task speaks for it, against it, or neither.
        by: Who says so.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["voted"] = "voted"
    id: str
    votes: int = 0
    helpful: int = 0
    harmful: int = 0
    task: str = ""
    supports: bool | None = None
    by: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A run retrieved records: it was shown them or, in the control arm, would have been.

    Attributes:
        control: Whether the run is of the control arm.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["used"] = "used"
    run: str
    task: str = ""
    ids: tuple[str, ...] = ()
    control: bool = False
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The outcome of a run is known.

    Attributes:
        won: Whether it succeeded.
        reward: What the source gave, in [0, 1].
        counts: Whether the outcome is credited to the records (an opinion is not).
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["settled"] = "settled"
    run: str
    won: bool
    reward: float = 0.0
    source: Source = "verifier"
    counts: bool = True
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Records earned trust."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["trusted"] = "trusted"
    ids: tuple[str, ...]
    reason: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Demoted:
    """Records became candidates again."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["demoted"] = "demoted"
    ids: tuple[str, ...]
    reason: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Records are never recalled again, until a person demotes them to candidates."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["quarantined"] = "quarantined"
    ids: tuple[str, ...]
    reason: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Records are gone for good, with all that was derived from them: no rollback and no import brings them back."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["forgotten"] = "forgotten"
    ids: tuple[str, ...]
    reason: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Records went into another one, which keeps its text.

    Attributes:
        counters: Whether its counts become the sums; not for a new version, which has yet to prove itself.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["merged"] = "merged"
    ids: tuple[str, ...]
    into: str
    counters: bool = True
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Based:
    """The whole state, in place of all events before: what compaction and rollback write."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    op: Literal["base"] = "base"
    state: Row = field(default_factory=dict)
    reason: str = ""
    seq: int = -1


Event = (
    Written | Edited | Voted | Used | Settled | Trusted | Demoted | Quarantined | Forgotten | Merged | Based
)  # fmt: skip
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="op")])


def to_row(event: Event) -> Row:
    """The event's wire form; fields at their defaults are left out."""
    row: Row = _EVENT.dump_python(event, mode="json", exclude_defaults=True)
    return {"seq": event.seq, "op": event.op, **{name: value for name, value in row.items() if name != "seq"}}


def from_row(row: Mapping[str, Any]) -> Event:
    """The event a row stands for.

    Raises:
        TraceError: It stands for none.
    """
    try:
        return _EVENT.validate_json(json.dumps(row), strict=True)
    except ValidationError as error:
        raise TraceError(f"a damaged event of a ledger: {explain(error)}") from error
