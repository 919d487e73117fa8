"""A team: members write messages, and read those of others as a graph says; the last ones' answers are selected from.

A message is a node. A member that reads nobody *generates* at the root, one that reads others *aggregates* their
messages. Members whose predecessors partly failed go on with the messages that came. A message that has been taken up
by an answer of a later one is superseded: it is pruned, so that the selection sees final answers only. Which message is
whose is read off the structure; what is said in it is the agents' business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Self

from pydantic import Field, model_validator
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.members import Member, check_members, in_order, longest_chain, readers, sinks
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

__all__ = ["Convened", "Member", "Standing", "Team"]


@dataclass(slots=True)
class Standing:
    """How far a team has come.

    Attributes:
        messages: The node of each member that has written.
        silent: Members that will not write: their call failed, or nobody they read has written.
        ready: The calls that may be made now.
        begun: Calls that are settled or in flight.
    """

    messages: dict[str, int] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    ready: list[Call] = field(default_factory=list)
    begun: int = 0

    def is_over(self, member: str) -> bool:
        """Whether nothing more comes of a member."""
        return member in self.messages or member in self.silent


class Convened(Strategy):
    """Base of the teams whose members are known beforehand.

    Attributes:
        turns: Most messages that are asked for in all; `null` is as many as there are members.
        tokens: No message is asked for once the run has used so many tokens; those under way are finished. A hard cap
            is the budget's.
    """

    operators: ClassVar[frozenset[str]] = frozenset({"generate", "aggregate"})
    turns: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)

    def team(self) -> tuple[Member, ...]:
        """The members."""
        raise NotImplementedError

    def finals(self) -> tuple[str, ...]:
        """The members whose answers are selected from."""
        return sinks(self.team())

    @override
    def uses(self) -> frozenset[str]:
        return frozenset(member.op for member in self.team())

    @override
    def limits(self) -> Limits:
        members = self.team()
        return Limits(len(members), len(members), longest_chain(members))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        standing = self.standing(structure)
        past = self._superseded(structure, standing)
        if past:
            return [Call("prune", past, reason="superseded")]
        left = len(standing.ready) if self.turns is None else max(0, self.turns - standing.begun)
        if self.tokens is not None and structure.usage.tokens >= self.tokens:
            left = 0
        calls = standing.ready[:left]
        if calls or structure.calls_in_flight:
            return calls[: max(0, slots)]
        stray = self._stray(structure, standing)
        return [Call("prune", stray, reason="no final message")] if stray else []

    def standing(self, structure: ReasoningStructure) -> Standing:
        """How far the team has come, as the structure says.

        Members of one variant that read the same are alike: the first message that comes is the first one's.
        """
        members = self.team()
        position = {member.id: number for number, member in enumerate(members)}
        alike: dict[tuple[str, tuple[str, ...]], list[Member]] = {}
        for member in in_order(members):
            alike.setdefault((member.how, member.reads), []).append(member)
        standing = Standing()
        for (how, reads), group in alike.items():
            if not all(map(standing.is_over, reads)):
                continue
            nodes = tuple(standing.messages[name] for name in reads if name in standing.messages)
            if reads and not nodes:
                standing.silent.update(member.id for member in group)
                continue
            op = group[0].op
            calls = [Call(op, nodes or (ROOT,), position[member.id], how) for member in group]
            _take(structure, standing, group, calls)
        standing.ready.sort(key=lambda call: call.index)
        return standing

    def _superseded(self, structure: ReasoningStructure, standing: Standing) -> tuple[int, ...]:
        """Answers that all their readers have taken up, at least one of them with an answer of its own."""
        members, final = self.team(), self.finals()
        past = []
        for name, node in standing.messages.items():
            heard = readers(members)[name]
            if name in final or node not in structure.terminals or not all(standing.is_over(r.id) for r in heard):
                continue
            replies = [standing.messages[reader.id] for reader in heard if reader.id in standing.messages]
            if any(structure.steps[reply].answer is not None for reply in replies):
                past.append(node)
        return tuple(past)

    def _stray(self, structure: ReasoningStructure, standing: Standing) -> tuple[int, ...]:
        """Answers of others than the final members, where one of those has an answer; else any is better than none."""
        final = {standing.messages[name] for name in self.finals() if name in standing.messages}
        if not any(node in structure.terminals for node in final):
            return ()
        return tuple(node for node in structure.terminals if node not in final)


def _take(structure: ReasoningStructure, standing: Standing, group: list[Member], calls: list[Call]) -> None:
    """What has come of the calls of members that are alike."""
    op, nodes, how = calls[0].op, calls[0].nodes, calls[0].how
    written = [
        child
        for child in structure.children[nodes[0]]
        if structure.ops[child] == op and structure.hows[child] == how and structure.parents[child] == nodes
    ]
    settled = sum(map(structure.is_settled, calls))
    flying = sum(map(structure.is_in_flight, calls))
    standing.begun += settled + flying
    standing.ready += [call for call in calls if not (structure.is_settled(call) or structure.is_in_flight(call))]
    for rank, member in enumerate(group):
        if rank < len(written):
            standing.messages[member.id] = written[rank]
        elif settled == len(calls):
            standing.silent.add(member.id)


class Team(Convened):
    """A team as data.

    Attributes:
        members: The members, in any order.
        final: The members whose answers are selected from; by default those whose message nobody reads.
    """

    name: ClassVar[str] = "team"
    members: tuple[Member, ...] = Field(min_length=1)
    final: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _works(self) -> Self:
        check_members(self.members, self.final)
        return self

    @override
    def team(self) -> tuple[Member, ...]:
        return self.members

    @override
    def finals(self) -> tuple[str, ...]:
        return self.final or sinks(self.members)

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return tuple((member.op, member.variant) for member in self.members if member.variant)
