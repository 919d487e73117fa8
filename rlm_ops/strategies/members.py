"""Members of a team: who writes, and whose messages each of them reads. A graph without circles, as data.

Nothing here knows a structure or a model: `reflectree.rlm_ops.strategies.team` carries the graph out.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reflectree.rlm_ops.strategies.parse import nearest

MOST_MEMBERS = 64
"""Members a team may have."""


class Member(BaseModel):
    """One message of a team: who writes it, having read what.

    Attributes:
        id: Its name, by which others read it.
        variant: The variant of *generate* (where it reads nobody) or *aggregate* (where it reads others) that writes
            it. "" takes the one that is named as the member, and the plain settings where there is none.
        reads: The members whose messages it reads, in this order; with none it reads the task alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=80)
    variant: str = ""
    reads: tuple[str, ...] = ()

    @property
    def op(self) -> Literal["generate", "aggregate"]:
        """The operator that writes its message."""
        return "aggregate" if self.reads else "generate"

    @property
    def how(self) -> str:
        """The variant its call names."""
        return self.variant or self.id


def check_members(members: Sequence[Member], final: Sequence[str] = ()) -> None:
    """Refuse a team that cannot work.

    Args:
        members: The members.
        final: Those whose answers count.

    Raises:
        ValueError: Too many members, a name that is unknown or taken twice, members that wait for each other in a
            circle, or two whose messages could not be told apart.
    """
    if len(members) > MOST_MEMBERS:
        raise ValueError(f"a team has at most {MOST_MEMBERS} members, and this one has {len(members)}: leave some out")
    ids = [member.id for member in members]
    for name in ids:
        if ids.count(name) > 1:
            raise ValueError(f"two members of the team are called {name!r}: rename one")
    for member in members:
        for name in member.reads:
            if name not in ids:
                raise ValueError(f"member {member.id!r} reads {name!r}, who is not in the team; {nearest(name, ids)}")
            if member.reads.count(name) > 1:
                raise ValueError(f"member {member.id!r} reads {name!r} twice: name each once")
    for name in final:
        if name not in ids:
            raise ValueError(f"final: {name!r} is not in the team; {nearest(name, ids)}")
    in_order(tuple(members))
    _check_told_apart(members)


def _check_told_apart(members: Sequence[Member]) -> None:
    """A message is told by its variant and by what was read; where readers fail, what was read may become the same."""
    for position, member in enumerate(members):
        for other in members[:position]:
            alike = member.how == other.how and member.reads != other.reads
            if alike and not set(member.reads).isdisjoint(other.reads):
                raise ValueError(
                    f"members {other.id!r} and {member.id!r} are both of variant {member.how!r} and read partly the "
                    "same messages, so that theirs could not be told apart: give each a variant of its own"
                )


@functools.lru_cache(maxsize=256)
def in_order(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """The members so that each comes after those it reads; otherwise in the order given.

    Raises:
        ValueError: Some wait for each other in a circle.
    """
    done: dict[str, Member] = {}
    while len(done) < len(members):
        ready = [member for member in members if member.id not in done and all(name in done for name in member.reads)]
        if not ready:
            circle = ", ".join(member.id for member in members if member.id not in done)
            raise ValueError(f"the team goes in a circle: {circle} wait for each other's messages")
        done |= {member.id: member for member in ready}
    return tuple(done.values())


@functools.lru_cache(maxsize=256)
def readers(members: tuple[Member, ...]) -> dict[str, tuple[Member, ...]]:
    """Who reads each member's message."""
    return {
        member.id: tuple(reader for reader in members if member.id in reader.reads)
        for member in members
    }  # fmt: skip


def sinks(members: tuple[Member, ...]) -> tuple[str, ...]:
    """The members whose message nobody reads."""
    return tuple(member.id for member in members if not readers(members)[member.id])


def longest_chain(members: tuple[Member, ...]) -> int:
    """Most messages that build on one another."""
    lengths: dict[str, int] = {}
    for member in in_order(members):
        lengths[member.id] = 1 + max((lengths[name] for name in member.reads), default=0)
    return max(lengths.values(), default=0)
