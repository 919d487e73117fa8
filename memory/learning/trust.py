"""Trust follows outcomes: which records are to be trusted, demoted or quarantined, as their counts say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reflectree.memory.learning.settings import Learning
from reflectree.memory.ledger.events import Demoted, Event, Quarantined, Trusted
from reflectree.memory.ledger.state import State
from reflectree.memory.recall.choosing import Kinship, kinship, lift, mates_of
from reflectree.memory.records.kinds import Record
from reflectree.memory.records.standing import Trust


def standing_of(state: State, record: Record, settings: Learning, kin: Kinship | None = None) -> tuple[Trust, str]:
    """The trust a record deserves and why; what it has where nothing changes. Quarantine is left by hand only.

    Args:
        state: The memory.
        record: The record.
        settings: What earns and costs trust.
        kin: What the records without trust have done together (`kinship(state)`), by which those of one run fall.
    """
    own = record.standing
    if own.trust == "quarantined":
        return own.trust, own.reason
    if kin is not None and (fall := _falls(state, record, settings, kin)):
        return "quarantined", fall
    helps = lift(state, record)
    if own.uses >= settings.uses and helps < settings.harm:
        return "quarantined", f"{own.wins} of {own.uses} runs with it succeeded: it helps with a chance of {helps:.2f}"
    if own.harmful - own.helpful >= settings.margin:
        return "quarantined", f"{own.harmful} marks as harmful against {own.helpful} as helpful"
    support, counter = len(set(own.support) - {*own.counter}), len(own.counter)
    if counter > support and counter >= settings.tasks:
        return "quarantined", f"{counter} tasks speak against it and {support} for it"
    if own.trust == "trusted":
        if counter > support:
            return "candidate", f"{counter} tasks speak against it and {support} for it"
        if own.wins < own.uses and helps < settings.demote:
            return "candidate", f"it helps with a chance of {helps:.2f} only"
        return own.trust, own.reason
    unharmed = own.wins == own.uses or helps >= settings.better
    earned = support >= settings.tasks and support > counter and unharmed
    if earned and own.quarantined < settings.relapses:
        return "trusted", f"{support} independent tasks speak for it"
    return own.trust, own.reason


def _falls(state: State, record: Record, settings: Learning, kin: Kinship) -> str:
    """Why a record falls with those that came from its run, where they have done harm together; "" where it does not.

    Several of them must have been tried: one bad lesson of a run says nothing of the others. One with evidence of its
    own in its favour stays.
    """
    own, wins, uses = record.standing, *mates_of(record, kin)
    if own.trust == "trusted" or own.wins or own.support or kin.tried.get(record.origin.run, 0) < settings.mates:
        return ""
    tried = own.uses + uses
    if tried < 2 * settings.uses:
        return ""
    helps = lift(state, record, mates=(wins, uses))
    if helps >= settings.harm:
        return ""
    told = f"{own.wins + wins:.0f} of {tried:.0f} uses of the records of its run succeeded"
    return f"{told}: they help with a chance of {helps:.2f}"


def moves(state: State, settings: Learning) -> list[Event]:
    """The events that bring every record's trust to where it should be."""
    made: list[Event] = []
    kin = kinship(state)
    for record in state.records.values():
        own = record.standing
        together = kin.tried.get(record.origin.run, 0) >= settings.mates
        if not (own.uses or own.harmful or own.support or own.counter or together):
            continue
        trust, reason = standing_of(state, record, settings, kin)
        if trust == own.trust:
            continue
        match trust:
            case "trusted":
                made.append(Trusted(ids=(record.id,), reason=reason))
            case "candidate":
                made.append(Demoted(ids=(record.id,), reason=reason))
            case _:
                made.append(Quarantined(ids=(record.id,), reason=reason))
    return made


def reviewer(settings: Learning | None = None) -> Callable[[State], Sequence[Event]]:
    """What a ledger is given as `review`: after each vote and outcome, trust follows."""
    chosen = settings or Learning()
    return lambda state: moves(state, chosen)
