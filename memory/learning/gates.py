"""The write gate: outcome first. Nothing is kept because it reads well.

Voyager keeps a skill only when the environment says it worked, autogen's task-centric memory an insight only when the
task that failed now passes. An experience is an outcome itself and passes by its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reflectree.memory.learning.settings import Learning
from reflectree.memory.records.kinds import Record
from reflectree.memory.records.origin import OUTCOMES, Source


@dataclass(frozen=True, slots=True)
class Trial:
    """A task tried with the record in hand.

    Attributes:
        task: The task's key.
        after: Whether it succeeded with the record.
        before: Whether it succeeded without; `None` where it was not tried.
        source: Who says so; only outcomes count.
    """

    task: str
    after: bool
    before: bool | None = None
    source: Source = "verifier"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a record is kept, why, and the tasks that speak for it and against it."""

    keep: bool
    reason: str
    support: tuple[str, ...] = ()
    counter: tuple[str, ...] = ()


def judged(record: Record, trials: Sequence[Trial], settings: Learning) -> Verdict:
    """Whether a record passes the gate.

    A task speaks for the record if it failed before and passes with it, or passes and was not tried before; it speaks
    against it if it fails with it and did not fail before. A task that speaks both ways speaks against.
    """
    outcomes = [trial for trial in trials if trial.source in OUTCOMES]
    counter = tuple(dict.fromkeys(one.task for one in outcomes if not one.after and one.before is not False))
    support = tuple(
        dict.fromkeys(one.task for one in outcomes if one.after and not one.before and one.task not in counter)
    )
    if record.kind == "experience":
        known = record.origin.source in OUTCOMES or settings.gate == "candidate"
        return Verdict(known, "an outcome" if known else f"the word of {record.origin.source} is no outcome")
    if counter and len(counter) >= len(support):
        return Verdict(False, f"{len(counter)} of the tasks it was tried on got worse", support, counter)
    repaired = {one.task for one in outcomes if one.before is False and one.after} - {*counter}
    if repaired:
        return Verdict(True, "a task that failed passes with it", support, counter)
    if len(support) >= settings.tasks:
        return Verdict(True, f"{len(support)} independent tasks succeed with it", support, counter)
    if settings.gate == "candidate" and not outcomes:
        return Verdict(True, "on probation: it was not tried", support, counter)
    return Verdict(False, "no trial shows that it helps", support, counter)
