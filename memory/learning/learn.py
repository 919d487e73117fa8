"""Taking proposals in: gate, echo, duplicates, then the ledger. No model is called.

A proposal says what was already known: it becomes a vote and evidence for the record that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reflectree.memory.learning.duplicates import Twin, twin
from reflectree.memory.learning.gates import Trial, judged
from reflectree.memory.learning.settings import Learning
from reflectree.memory.learning.votes import BEGIN, Operation, Rule, applied
from reflectree.memory.ledger.ledger import Ledger
from reflectree.memory.records.echo import EchoRefused, check_echo
from reflectree.memory.records.kinds import Record, Reflection, Skill
from reflectree.memory.records.origin import Origin

NEIGHBOURS = 8


@dataclass(frozen=True, slots=True)
class Proposal:
    """A record that was derived, and the trials it was put to."""

    record: Record
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a proposal: `written`, `merged` (it was known), `ask` (a model should say), `refused`."""

    became: str
    reason: str
    id: str = ""
    twin: Twin | None = None


def take(ledger: Ledger, proposals: Iterable[Proposal], settings: Learning | None = None) -> list[Taken]:
    """Take proposals in, each by itself, in order.

    One that is alike but not surely the same (`ask`) is written: merging later loses nothing, and a model may be asked
    (`Ledger.merge`).

    Raises:
        TestRecordRefused: A record is of a test task.
    """
    chosen = settings or Learning()
    return [_take(ledger, proposal, chosen) for proposal in proposals]


def _take(ledger: Ledger, proposal: Proposal, settings: Learning) -> Taken:
    record = proposal.record
    verdict = judged(record, proposal.trials, settings)
    if not verdict.keep:
        return Taken("refused", verdict.reason)
    state = ledger.state
    shown = [state.records[name] for name in state.shown_to(record.origin.run) if name in state.records]
    try:
        check_echo(record, shown)  # before it can vote for the very record that it repeats
    except EchoRefused as error:
        return Taken("refused", str(error))
    near = _nearest(ledger, record, settings)
    known = near is not None and near.likeness == "same" and near.record.standing.trust != "quarantined"
    if near is not None and near.likeness == "same" and not known:
        return Taken("refused", f"it says what {near.record.id} says, which is in quarantine", near.record.id, near)
    if near is not None and known and record.kind != "experience":
        name = near.record.id
        ledger.vote(name, votes=1, by="duplicate", split=record.origin.split)
    else:
        if not ledger.write(record):
            return Taken("refused", "it is known, or was forgotten", record.id, near)
        name = record.id
    for supports, tasks in ((True, verdict.support), (False, verdict.counter)):
        for task in tasks:
            ledger.vote(name, task=task, supports=supports, by="trial", split=record.origin.split)
    if name != record.id:
        return Taken("merged", f"it says what {name} says", name, near)
    return Taken("ask" if near is not None else "written", verdict.reason, name, near)


def _nearest(ledger: Ledger, record: Record, settings: Learning) -> Twin | None:
    state = ledger.state
    meaning: dict[str, float] = {}
    if ledger.index is not None:
        for found in ledger.index.store.batch(ledger.index.searches(record.key, [record.kind], NEIGHBOURS)):
            for item in found if isinstance(found, list) else ():
                meaning[getattr(item, "key", "")] = float(getattr(item, "score", None) or 0.0)
    kin = [one for one in state.records.values() if one.kind == record.kind and not _later_version(one, record)]
    return twin(record, kin, meaning, settings)


def _later_version(one: Record, other: Record) -> bool:
    return isinstance(one, Skill) and isinstance(other, Skill) and one.name == other.name and one.body != other.body


def rules_of(records: Iterable[Record]) -> list[Rule]:
    """The reflections among `records` as ExpeL's list, by votes; one that was never voted on has ADD's votes."""
    lessons = [one for one in records if isinstance(one, Reflection) and one.standing.trust != "quarantined"]
    rules = [Rule(one.lesson, one.standing.votes or BEGIN, one.id) for one in lessons]
    return sorted(rules, key=lambda rule: -rule.votes)


def operate(
    ledger: Ledger, rules: Sequence[Rule], operations: Sequence[Operation], origin: Origin, most: int = 20
) -> list[Rule]:
    """Carry ExpeL's operations out on the ledger: votes, edits, new lessons, and quarantine for what has no votes left.

    Args:
        ledger: The memory.
        rules: The list the model saw (`rules_of`).
        operations: What it asked for (`votes.parsed`).
        origin: Where new lessons come from.
        most: ExpeL's `max_num_rules`.
    """
    after = applied(rules, operations, most)
    kept = {rule.id: rule for rule in after if rule.id}
    for rule in rules:
        now = kept.get(rule.id)
        target = 0 if now is None else now.votes
        have = ledger.get(rule.id).standing.votes
        if target != have and (now is None or target != rule.votes):
            ledger.vote(rule.id, votes=target - have, by="curator", split=origin.split)
        if now is None:
            ledger.quarantine(rule.id, reason="voted down")
        elif now.text != rule.text:
            ledger.edit(rule.id, lesson=now.text)
    for rule in after:
        if not rule.id:
            for name in ledger.write(Reflection(lesson=rule.text, origin=origin)):
                ledger.vote(name, votes=rule.votes, by="curator", split=origin.split)
    return rules_of(ledger.state.records.values())
