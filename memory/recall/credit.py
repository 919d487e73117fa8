"""Credit: whether memory helps, as a difference between runs that were shown records and the control arm.

The control runs of a kind are those that would have been shown a record of it, so that like is compared with like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reflectree.memory.ledger.state import State
from reflectree.memory.recall.choosing import lift
from reflectree.memory.records.kinds import KINDS
from reflectree.rlm_ops.statistics import Interval, wilson_interval


@dataclass(frozen=True, slots=True)
class Lift:
    """What a kind of memory brings.

    Attributes:
        kind: The kind, or `all`.
        records: How many there are.
        shown: Runs that were shown some, and `shown_wins` how many succeeded.
        held: Runs of the control arm, and `held_wins` how many succeeded.
        lift: Difference of the two rates with its 95 % interval, in [-1, 1].
    """

    kind: str
    records: int
    shown: int
    shown_wins: int
    held: int
    held_wins: int
    lift: Interval

    @property
    def verdict(self) -> str:
        """`helps`, `harms`, or `unknown` where the interval holds 0."""
        return "helps" if self.lift.low > 0 else "harms" if self.lift.high < 0 else "unknown"


@dataclass(frozen=True, slots=True)
class Worth:
    """What a single record is worth: its counts, and the chance that it helps (`choosing.lift`)."""

    id: str
    kind: str
    trust: str
    reason: str
    wins: int
    uses: int
    held_wins: int
    held: int
    helps: float


@dataclass(frozen=True, slots=True)
class Report:
    """What `reflectree memory report` prints.

    Attributes:
        runs: Settled runs that were credited.
        kinds: The lift of each kind, `all` first.
        trust: Records by trust.
        records: Every record that was used, the worst first.
    """

    runs: int
    kinds: tuple[Lift, ...]
    trust: dict[str, int]
    records: tuple[Worth, ...]


def difference(wins: int, runs: int, base_wins: int, base_runs: int, confidence: float = 0.95) -> Interval:
    """Difference of two shares with Newcombe's interval (1998, method 10): Wilson's intervals joined by square and add.

    Without runs on one side nothing is known and the interval is as wide as can be.
    """
    if not runs or not base_runs:
        return Interval(0.0, -1.0, 1.0)
    one, other = wilson_interval(wins, runs, confidence), wilson_interval(base_wins, base_runs, confidence)
    gap = one.estimate - other.estimate
    low = math.hypot(one.estimate - one.low, other.high - other.estimate)
    high = math.hypot(one.high - one.estimate, other.estimate - other.low)
    return Interval(gap, max(-1.0, gap - low), min(1.0, gap + high))


def report(state: State, confidence: float = 0.95) -> Report:
    """How memory has done so far."""
    records = state.records.values()
    kinds = []
    for kind in ("all", *KINDS):
        tally = state.tallies[kind]
        many = sum(kind in ("all", record.kind) for record in records)
        counts = (tally.shown, tally.shown_wins, tally.held, tally.held_wins)
        gap = difference(tally.shown_wins, tally.shown, tally.held_wins, tally.held, confidence)
        kinds.append(Lift(kind, many, *counts, gap))
    used = [record for record in records if record.standing.uses or record.standing.held]
    trust: dict[str, int] = {"candidate": 0, "trusted": 0, "quarantined": 0}
    for record in records:
        trust[record.standing.trust] += 1
    worth = []
    for record in used:
        own = record.standing
        counts = (own.wins, own.uses, own.held_wins, own.held)
        worth.append(Worth(record.id, record.kind, own.trust, own.reason, *counts, lift(state, record)))
    return Report(state.clock, tuple(kinds), trust, tuple(sorted(worth, key=lambda one: (one.helps, one.id))))
