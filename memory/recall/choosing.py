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


def lift(
    state: State, record: Record, kin: tuple[float, float] = (0.0, 0.0), mates: tuple[float, float] = (0.0, 0.0)
) -> float:
    """Chance that runs with the record succeed more often than runs without it, in [0, 1]; near .5 for the unknown.

    Args:
        state: The memory.
        record: The record.
        kin: Wins and runs of its kin, which stand in for the uses that are missing to `KIN_RUNS`; all of them count
            where neither they nor the record ever won.
        mates: Wins and runs of the records that came with it, which count as its own.
    """
    wins, runs = kin
    own_wins, own_runs = record.standing.wins + mates[0], record.standing.uses + mates[1]
    scale = min(1.0, max(0.0, KIN_RUNS - own_runs) / runs) if runs else 0.0
    if runs and not (wins or own_wins):
        scale = 1.0
    return formulas.probability_better(own_wins + scale * wins, own_runs + scale * runs, *baseline(state, record))


@dataclass(frozen=True, slots=True)
class Kinship:
    """What the records without trust have done together.

    Attributes:
        sources: Wins and uses by source.
        runs: Wins and uses by the run they came from; records that came from none have no mates.
        tried: How many records of a run were used.
    """

    sources: Mapping[str, tuple[float, float]]
    runs: Mapping[str, tuple[float, float]]
    tried: Mapping[str, int]


def kinship(state: State) -> Kinship:
    """What to expect of a record that was hardly tried yet: the sums over those of its source, and of its run."""
    sources: dict[str, tuple[float, float]] = {}
    runs: dict[str, tuple[float, float]] = {}
    tried: Counter[str] = Counter()
    for record in state.records.values():
        standing = record.standing
        if standing.trust != "trusted" and standing.uses:
            for sums, name in ((sources, record.origin.source), (runs, record.origin.run)):
                wins, uses = sums.get(name, (0.0, 0.0))
                sums[name] = (wins + standing.wins, uses + standing.uses)
            tried[record.origin.run] += 1
    for sums_of_none in (runs, tried):
        sums_of_none.pop("", None)
    return Kinship(sources, runs, tried)


def expected(state: State, record: Record, kin: Kinship) -> float:
    """`lift`, and for a record without trust with what its kin has done.

    Records of one run stand and fall together: what one of them did counts whole for the others, so that many that were
    planted at once are not tried one by one. Of its source's other records no more than `KIN_RUNS` runs count, for one
    channel may bring good and bad ones, unless it has brought nothing but losses.
    """
    own = record.standing
    if own.trust == "trusted":
        return lift(state, record)
    wins, uses = kin.sources.get(record.origin.source, (0.0, 0.0))
    mates_wins, mates_uses = mates_of(record, kin)
    others = (max(0.0, wins - own.wins - mates_wins), max(0.0, uses - own.uses - mates_uses))
    return lift(state, record, others, (mates_wins, mates_uses))


def mates_of(record: Record, kin: Kinship) -> tuple[float, float]:
    """Wins and runs of the other records without trust that came from the record's run."""
    if not record.origin.run:
        return 0.0, 0.0
    wins, uses = kin.runs.get(record.origin.run, (0.0, 0.0))
    return max(0.0, wins - record.standing.wins), max(0.0, uses - record.standing.uses)


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
        explore: One record below the least utility may be shown, so that one which was judged too soon gets another
            chance, and no other that is on trial beside it: the outcome is its own.
    """
    pool = [
        scored
        for scored in score(state, relevance, settings)
        if scored.record.standing.trust != "quarantined"
        and scored.relevance >= settings.relevance
        and (explore or not _too_low(scored, settings))
        and not (settings.same_task == "exclude" and task and task in state.tasks_of(scored.record.id))
    ]
    counts: Counter[str] = Counter()
    spent = OVERHEAD

    def take(at: int) -> bool:
        nonlocal spent
        record = pool[at].record
        candidate, again = record.standing.trust == "candidate", _too_low(pool[at], settings)
        price = cost(record)
        if (
            counts["all"] >= settings.limit
            or counts[record.kind] >= settings.kinds.get(record.kind, 0)
            or (candidate and counts[_probation(settings, record.kind)[0]] >= _probation(settings, record.kind)[1])
            or (again and counts["candidate"])
            or ((again or candidate) and counts["again"])
            or spent + price > settings.tokens
        ):
            return False
        spent += price
        counts.update(["all", record.kind, *["candidate", f"candidate {record.kind}"] * candidate, *["again"] * again])
        return True

    told = [scored.record.told for scored in pool]
    order = formulas.mmr_order(
        [scored.score for scored in pool],
        lambda one, other: similarity(told[one], told[other]),
        settings.diversity,
        take,
    )
    return [pool[at] for at in order]


def _too_low(scored: Scored, settings: Recall) -> bool:
    """Whether a record is worth too little to be shown."""
    return settings.utility == "lift" and scored.utility < settings.worth


def _probation(settings: Recall, kind: str) -> tuple[str, int]:
    """What counts the candidates shown that one of this kind is held against, and the most there may be."""
    if isinstance(settings.probation, int):
        return "candidate", settings.probation
    return f"candidate {kind}", next((most for name, most in settings.probation.items() if name == kind), 0)
