"""Which records a task is shown: score, exclude, diversify, fit the budget. Pure: it reads a state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reflectree.memory.ledger.state import State
from reflectree.memory.recall import formulas
from reflectree.memory.recall.rendering import OVERHEAD, cost
from reflectree.memory.recall.settings import Recall
from reflectree.memory.records.kinds import Record
from reflectree.memory.records.texts import similarity

BASELINE_RUNS = 8.0
"""The whole control arm's rate counts as so many runs beside those in which the record itself was held back."""

KIN_RUNS = 6.0
"""Until a record without trust was used so often, what others of its source have done stands in for the rest."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A record and its score: the weighted mean of its parts, all in [0, 1]."""

    record: Record
    relevance: float
    recency: float
    utility: float
    score: float


def baseline(state: State, record: Record) -> tuple[float, float]:
    """Wins and runs without the record: those it was held back in, and the control arm's rate as some more.

    Each record was itself held back in few runs, so the arm as a whole steadies the estimate; it counts no more than
    it has runs.
    """
    arm, standing = state.tallies["all"], record.standing
    share = arm.held_wins / arm.held if arm.held else 0.5
    runs = min(BASELINE_RUNS, float(arm.held))
    return standing.held_wins + share * runs, standing.held + runs


def lift(state: State, record: Record, kin: tuple[float, float] = (0.0, 0.0)) -> float:
    """Chance that runs with the record succeed more often than runs without it, in [0, 1]; near .5 for the unknown.

    Args:
        state: The memory.
        record: The record.
        kin: Wins and runs of its kin, which stand in for the uses that are missing to `KIN_RUNS`.
    """
    standing = record.standing
    wins, runs = kin
    scale = min(1.0, max(0.0, KIN_RUNS - standing.uses) / runs) if runs else 0.0
    own = (standing.wins + scale * wins, standing.uses + scale * runs)
    return formulas.probability_better(*own, *baseline(state, record))


def kinship(state: State) -> dict[str, tuple[float, float]]:
    """Wins and runs of all records without trust, by source: what to expect of one of them that was not tried yet."""
    sums: dict[str, list[float]] = {}
    for record in state.records.values():
        if record.standing.trust != "trusted":
            pool = sums.setdefault(record.origin.source, [0.0, 0.0])
            pool[0] += record.standing.wins
            pool[1] += record.standing.uses
    return {source: (pool[0], pool[1]) for source, pool in sums.items()}


def expected(state: State, record: Record, kin: Mapping[str, tuple[float, float]]) -> float:
    """`lift`, and for a record without trust with what its kin has done: one writer of bad records spoils them all."""
    if record.standing.trust == "trusted":
        return lift(state, record)
    wins, runs = kin.get(record.origin.source, (0.0, 0.0))
    return lift(state, record, (wins - record.standing.wins, runs - record.standing.uses))


def utilities(state: State, records: Sequence[Record], how: str) -> list[float]:
    """The records' utility, each in [0, 1], as `Recall.utility` says."""
    if how == "lift":
        kin = kinship(state)
        return [expected(state, record, kin) for record in records]
    formula = formulas.wilson if how == "wilson" else formulas.posterior_mean
    return [formula(record.standing.wins, record.standing.uses) for record in records]


def score(state: State, relevance: Mapping[str, float], settings: Recall) -> list[Scored]:
    """The scores of records by their relevance, in its order; a record that is not known is left out."""
    records = [state.records[name] for name in relevance if name in state.records]
    near, fresh, useful = (
        [min(1.0, max(0.0, relevance[record.id])) for record in records],
        [formulas.recency(state.clock - record.standing.won, settings.decay) for record in records],
        utilities(state, records, settings.utility),
    )
    parts = (near, fresh, useful)
    normalised = tuple(map(formulas.minmax, parts)) if settings.normalise == "minmax" else parts
    weights = (settings.weights.relevance, settings.weights.recency, settings.weights.utility)
    total = sum(weights) or 1.0
    return [
        Scored(
            record,
            near[at],
            fresh[at],
            useful[at],
            sum(weight * part[at] for weight, part in zip(weights, normalised, strict=True)) / total,
        )
        for at, record in enumerate(records)
    ]


def choose(
    state: State, relevance: Mapping[str, float], settings: Recall, task: str = "", explore: bool = False
) -> list[Scored]:
    """The records to show, best first.

    Args:
        state: The memory.
        relevance: Similarity to the task by id, in [0, 1]: larger is nearer.
        settings: What may be shown.
        task: The task's key, for the exclusion of what knows it.
        explore: The least utility is not asked for, so that a record which was judged too soon gets another chance.
    """
    pool = [
        scored
        for scored in score(state, relevance, settings)
        if scored.record.standing.trust != "quarantined"
        and scored.relevance >= settings.relevance
        and (explore or settings.utility != "lift" or scored.utility >= settings.worth)
        and not (settings.same_task == "exclude" and task and task in state.tasks_of(scored.record.id))
    ]
    counts: Counter[str] = Counter()
    spent = OVERHEAD

    def take(at: int) -> bool:
        nonlocal spent
        record = pool[at].record
        candidate = record.standing.trust == "candidate"
        price = cost(record)
        if (
            counts["all"] >= settings.limit
            or counts[record.kind] >= settings.kinds.get(record.kind, 0)
            or (candidate and counts["candidate"] >= settings.probation)
            or spent + price > settings.tokens
        ):
            return False
        spent += price
        counts.update(["all", record.kind, *["candidate"] * candidate])
        return True

    told = [scored.record.told for scored in pool]
    order = formulas.mmr_order(
        [scored.score for scored in pool],
        lambda one, other: similarity(told[one], told[other]),
        settings.diversity,
        take,
    )
    return [pool[at] for at in order]
