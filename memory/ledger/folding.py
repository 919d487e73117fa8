"""The fold: how each event changes the state. Pure but for the state it is given, which it changes.

`fold(a + b)` is `fold(b)` after `fold(a)`. An event that names a record which is not there changes nothing: it may have
been forgotten in the meantime, by another writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from reflectree.memory.ledger.events import (
    Based,
    Demoted,
    Edited,
    Event,
    Forgotten,
    Merged,
    Quarantined,
    Settled,
    Trusted,
    Used,
    Voted,
    Written,
)
from reflectree.memory.ledger.state import CLOSED_LIMIT, KIND_OF, Gone, Open, State, state_from_row
from reflectree.memory.records.kinds import Concept, Record
from reflectree.memory.records.origin import VERIFIED
from reflectree.memory.records.rows import from_row, to_row
from reflectree.memory.records.standing import EVIDENCE_LIMIT, Standing
from reflectree.rlm_ops.errors import BadInput, TraceError


def fold(state: State, events: Iterable[Event]) -> State:
    """The state after `events`, which is the one that was given."""
    for event in events:
        apply(state, event)
    return state


def apply(state: State, event: Event) -> set[str] | None:
    """Take one event in; the ids it changed, or `None` where any record may have changed.

    Raises:
        TraceError: Its number is not the next.
    """
    if not isinstance(event, Based) and event.seq != state.seq + 1:
        raise TraceError(
            f"the ledger skips from event {state.seq} to {event.seq}: restore it from a snapshot or export"
        )
    changed = _change(state, event)
    state.seq = event.seq
    return changed


def _change(state: State, event: Event) -> set[str] | None:
    match event:
        case Written():
            return _write(state, event)
        case Edited():
            return _edit(state, event)
        case Voted():
            return _stand(state, (event.id,), lambda record: _voted(record.standing, event))
        case Used():
            _use(state, event)
            return set()
        case Settled():
            return _settle(state, event)
        case Trusted() | Demoted() | Quarantined():
            return _trust(state, event)
        case Forgotten():
            return _forget(state, event)
        case Merged():
            return _merge(state, event)
        case Based():
            return _base(state, event)


def _write(state: State, event: Written) -> set[str]:
    record = from_row(event.record)
    if record.id in state.forgotten:
        return set()
    standing = record.standing
    if standing == Standing():
        standing = replace(standing, written=state.clock, won=state.clock)
        if isinstance(record, Concept) and record.origin.source in VERIFIED:
            support, counter = _tasks(state, record.support), _tasks(state, record.counter)
            standing = replace(standing, support=_distinct(support), counter=_distinct(counter))
    state.records[record.id] = replace(record, standing=standing)
    return {record.id}


def _edit(state: State, event: Edited) -> set[str]:
    record = state.records.get(event.id)
    if record is None:
        return set()
    row = {**to_row(record), **event.content}
    edited = from_row({**row, "kind": record.kind, "id": record.id})
    if edited.origin != record.origin:
        raise BadInput("an edit changes what a record says, never where it comes from")
    trust = "candidate" if record.standing.trust == "trusted" else record.standing.trust
    standing = replace(record.standing, trust=trust, reason="edited" * (trust == "candidate"))
    state.records[record.id] = replace(edited, standing=standing)
    return {record.id}


def _voted(standing: Standing, event: Voted) -> Standing:
    changes: dict[str, Any] = {
        "votes": standing.votes + event.votes,
        "helpful": standing.helpful + event.helpful,
        "harmful": standing.harmful + event.harmful,
    }
    if event.task and event.supports is not None:
        side = "support" if event.supports else "counter"
        changes[side] = _distinct([*getattr(standing, side), event.task])
    return replace(standing, **changes)


def _use(state: State, event: Used) -> None:
    if event.run in state.closed:
        return
    known = [name for name in event.ids if name in state.records]
    before = state.open.get(event.run)
    if before is None:
        state.open[event.run] = Open(event.task, tuple(dict.fromkeys(known)), event.control)
    else:
        before.ids = tuple(dict.fromkeys([*before.ids, *known]))


def _settle(state: State, event: Settled) -> set[str]:
    used = state.open.pop(event.run, None)
    if used is None:
        return set()
    state.closed[event.run] = () if used.control else used.ids
    while len(state.closed) > CLOSED_LIMIT:
        del state.closed[next(iter(state.closed))]
    if not event.counts:
        return set()
    state.clock += 1
    if not used.ids:
        return set()
    for name in ("all", *{KIND_OF[one[0]] for one in used.ids}):
        state.tallies[name].add(used.control, event.won)
    return _stand(state, _on_trial(state, used), lambda record: _credited(state, record, used, event.won))


def _on_trial(state: State, used: Open) -> tuple[str, ...]:
    """Whom the outcome is credited to: candidates alone where there are some, so that none spoils what is trusted.

    Wins and losses of such a run are left out alike for the trusted records, which keeps their rate unbiased.
    """
    known = [name for name in used.ids if name in state.records]
    candidates = tuple(name for name in known if state.records[name].standing.trust != "trusted")
    return candidates if candidates and not used.control else tuple(known)


def _credited(state: State, record: Record, used: Open, won: bool) -> Standing:
    old = record.standing
    if used.control:
        return replace(old, held=old.held + 1, held_wins=old.held_wins + won)
    support = old.support
    if won and used.task:
        support = _distinct([*support, used.task])
    return replace(
        old, uses=old.uses + 1, wins=old.wins + won, support=support, won=state.clock if won else old.won
    )  # fmt: skip


def _trust(state: State, event: Trusted | Demoted | Quarantined) -> set[str]:
    trust = {"trusted": "trusted", "demoted": "candidate", "quarantined": "quarantined"}[event.op]

    def stands(record: Record) -> Standing:
        old = record.standing
        more = trust == "quarantined" and old.trust != "quarantined"
        changes: dict[str, Any] = {"trust": trust, "reason": event.reason, "quarantined": old.quarantined + more}
        return replace(old, **changes)

    return _stand(state, event.ids, stands)


def _forget(state: State, event: Forgotten) -> set[str]:
    gone = set(event.ids)
    state.forgotten |= gone
    state.erase = True
    for name in gone:
        state.records.pop(name, None)
        state.merged.pop(name, None)
    for used in state.open.values():
        used.ids = tuple(name for name in used.ids if name not in gone)
    for record in list(state.records.values()):
        if isinstance(record, Concept) and gone & {*record.support, *record.counter}:
            state.records[record.id] = replace(
                record,
                support=tuple(name for name in record.support if name not in gone),
                counter=tuple(name for name in record.counter if name not in gone),
            )
    return gone


def _merge(state: State, event: Merged) -> set[str]:
    target = state.records.get(event.into)
    gone = [state.records.pop(name) for name in event.ids if name != event.into and name in state.records]
    for record in gone:
        state.merged[record.id] = Gone(event.into, record.origin)
    if target is not None and event.counters:
        standing = target.standing
        for record in gone:
            other = record.standing
            sums = {name: getattr(standing, name) + getattr(other, name) for name in _SUMMED}
            standing = replace(
                standing,
                **sums,
                support=_distinct([*standing.support, *other.support]),
                counter=_distinct([*standing.counter, *other.counter]),
                won=max(standing.won, other.won),
            )
        state.records[target.id] = replace(target, standing=standing)
    return {*event.ids, event.into}


_SUMMED = ("votes", "helpful", "harmful", "uses", "wins", "held", "held_wins")


def _base(state: State, event: Based) -> set[str] | None:
    """A new state, without what was forgotten since the one it restores."""
    new = state_from_row(event.state, event.seq)
    new.forgotten |= state.forgotten
    for name in new.forgotten & new.records.keys():
        del new.records[name]
    for name in State.__slots__:
        setattr(state, name, getattr(new, name))
    return None


def _stand(state: State, ids: Iterable[str], standing: Any) -> set[str]:
    """Replace the standing of those records that are there."""
    changed = {name for name in ids if name in state.records}
    for name in changed:
        record = state.records[name]
        state.records[name] = replace(record, standing=standing(record))
    return changed


def _tasks(state: State, ids: Iterable[str]) -> list[str]:
    return [state.records[name].origin.task for name in ids if name in state.records]


def _distinct(tasks: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(task for task in tasks if task))[:EVIDENCE_LIMIT]
