"""What the members of a team said to one another, read off a trace.

It needs nothing but the trace: messages are its nodes, who wrote them stands in its calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Began, Enriched, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.members import Member
from reflectree.rlm_ops.strategies.team import Team
from reflectree.rlm_ops.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class Said:
    """One message, score or critique of a member, or the failure of one.

    Attributes:
        member: Who: the member's name, and where it has none that of the operator.
        round: How many messages it builds on, itself included: those that read nobody are of round 1.
        node: The node it is, or is about; -1 where nothing came of it.
        reads: The nodes that were read, in their order.
        text: The words.
        answer: The answer they give.
        value: The score, where it is one.
        note: What was said beside it: the critique behind a revision, the reason of a score.
        problem: Why nothing came of it.
        usage: What it cost.
    """

    member: str
    round: int
    node: int
    reads: tuple[int, ...]
    text: str = ""
    answer: str | None = None
    value: float | None = None
    note: str = ""
    problem: str = ""
    usage: Usage = NO_USAGE


def messages(trace: Iterable[Event]) -> tuple[Said, ...]:
    """All that was said in a run, in order of arrival."""
    said: list[Said] = []
    rounds = {0: 0}
    team: tuple[Member, ...] = ()
    for event in trace:
        if isinstance(event, Began):
            team = _members(event)
        elif isinstance(event, Grown):
            rounds[event.node] = 1 + max(rounds[node] for node in event.nodes)
            said.append(
                Said(
                    _name(event.op, event.how, event.index, team),
                    rounds[event.node],
                    event.node,
                    event.nodes,
                    event.text,
                    event.answer,
                    note=event.note,
                    usage=event.usage,
                )
            )
        elif isinstance(event, Evaluated):
            name = event.how or "evaluate"
            reads = (event.node,) if event.against < 0 else (event.node, event.against)
            said.append(
                Said(name, rounds[event.node], event.node, reads, value=event.value, note=event.note, usage=event.usage)
            )
        elif isinstance(event, Enriched):
            name = event.how or event.source or "enrich"
            said.append(Said(name, rounds[event.node], event.node, (event.node,), event.note, usage=event.usage))
        elif isinstance(event, Failed) and event.of != "reflect":
            name = _name(event.of, event.how, event.index, team)
            turn = max(rounds[node] for node in event.nodes) + (event.of not in ("evaluate", "enrich"))
            said.append(Said(name, turn, -1, event.nodes, problem=event.reason, usage=event.usage))
    return tuple(said)


def _members(began: Began) -> tuple[Member, ...]:
    """The members by their calls' indices, where they are data of the blueprint."""
    try:
        strategy = Blueprint.parse(began.blueprint).scheme.strategy
    except BadInput:  # a trace of another version is read all the same
        return ()
    return strategy.members if isinstance(strategy, Team) else ()


def _name(op: str, how: str, index: int, team: tuple[Member, ...]) -> str:
    return team[index].id if index < len(team) else how or op
