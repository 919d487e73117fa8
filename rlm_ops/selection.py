"""Which answer to give: a choice of its own, made over the candidates a search ended with.

A method gets candidates and returns one, with its own score. Nothing here knows where candidates came from, and no
method calls a model. Votes are counted over `normalise`d answers.

Ties are broken by one total order, the same in every method: the method's score, then value (none is lowest), then
visits, then the lower node id. So the same candidates give the same answer, whatever order they come in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.ranking import ebc, preference_matrix
from reflectree.rlm_ops.task import Verifier


@dataclass(frozen=True, slots=True)
class Candidate:
    """A terminal node that gives an answer.

    Attributes:
        node: Its id in the structure.
        answer: Its answer, as extracted.
        value: Its mean value; `None` where it was never evaluated.
        visits: How often it was visited.
        agreed: The share of a second model's attempts that came to the same answer; `None` where it was not asked.
    """

    node: int
    answer: str
    value: float | None = None
    visits: int = 0
    agreed: float | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen answer.

    Attributes:
        node: Where it stands; of several nodes with this answer the best by value, visits and id.
        answer: The answer, as that node gives it.
        score: The method's own score: a value, visits, a share of votes, a verdict.
        method: The method's name.
    """

    node: int
    answer: str
    score: float
    method: str


def by_value(candidates: Sequence[Candidate]) -> Selection | None:
    """The candidate of highest value; the score is the value, 0 where none has one."""
    return _best(candidates, lambda candidate: _value(candidate), "value")


def by_visits(candidates: Sequence[Candidate]) -> Selection | None:
    """The candidate visited most (AlphaZero's choice); the score is its visits."""
    return _best(candidates, lambda candidate: float(candidate.visits), "visits")


def majority(candidates: Sequence[Candidate]) -> Selection | None:
    """The answer given most often (self-consistency, arXiv 2203.11171); the score is its share of the candidates."""
    if len(candidates) == 1:  # what it is the same as need not be known
        return Selection(candidates[0].node, candidates[0].answer, 1.0, "majority")
    return _vote(candidates, lambda candidate: 1.0, "majority")


def weighted_vote(candidates: Sequence[Candidate]) -> Selection | None:
    """The answer whose candidates' values add up to most; the score is its share of all value.

    A candidate without a value, or with one below 0, weighs 0; where none was ever valued, each weighs one, as in a
    plain vote. Those of value 1 are certain (only a check gives that), and others do not outvote them. Where nothing
    has weight, the score is 0.
    """
    if all(candidate.value is None for candidate in candidates):
        return _vote(candidates, lambda candidate: 1.0, "weighted_vote")
    certain = [candidate for candidate in candidates if _value(candidate) >= 1.0]
    return _vote(certain or candidates, lambda candidate: max(0.0, _value(candidate, 0.0)), "weighted_vote")


def discriminated(candidates: Sequence[Candidate]) -> Selection | None:
    """The answer that a second model confirms: rStar's mutual consistency (arXiv 2408.06195).

    An answer has two numbers: its share of all agreement, and how far its own candidates survived (agreement over
    candidates that were put to the second model). The release adds them; the score is their mean, so at most 1. Where
    the second model agreed with nothing, or was not asked, this is the majority, as in the release. The release also
    drops a question none of whose survivors is *right*, by gold; here gold is not asked.
    """
    groups = _by_answer(candidates)
    agreed = {answer: math.fsum(map(_agreed, group)) for answer, group in groups.items()}
    total = math.fsum(map(_agreed, candidates))
    if not total:
        return _vote(candidates, lambda candidate: 1.0, "discriminated")
    scores = {
        answer: 0.5 * (agreed[answer] / total + agreed[answer] / max(1, sum(c.agreed is not None for c in group)))
        for answer, group in groups.items()
    }
    leaders = {answer: max(group, key=lambda c: (_agreed(c), *_rank(c))) for answer, group in groups.items()}
    winner = max(groups, key=lambda answer: (scores[answer], *_rank(leaders[answer])))
    return Selection(leaders[winner].node, leaders[winner].answer, scores[winner], "discriminated")


def borda(preferences: Mapping[tuple[int, int], float]) -> Callable[[Sequence[Candidate]], Selection | None]:
    """A method that takes the first of the Enhanced Borda Count; the score is the share of others it beats.

    Args:
        preferences: For pairs of nodes the chance that the first is better, having been shown first. See
            `formulas.preference_matrix`; pairs nobody compared are unknown.
    """

    def method(candidates: Sequence[Candidate]) -> Selection | None:
        if not candidates:
            return None
        # the count's last resort is the lower index, so the better by our own order comes first
        ordered = sorted(candidates, key=_rank, reverse=True)
        ranking = ebc(preference_matrix([candidate.node for candidate in ordered], preferences))
        first = ranking.order[0]
        beaten = ranking.wins[first] / (len(ordered) - 1) if len(ordered) > 1 else 1.0
        return Selection(ordered[first].node, ordered[first].answer, beaten, "borda")

    return method


def verified(verifier: Verifier) -> Callable[[Sequence[Candidate]], Selection | None]:
    """A method that takes the candidate the verifier scores highest; the score is the verifier's."""

    def method(candidates: Sequence[Candidate]) -> Selection | None:
        scores = {answer: verifier.score(answer) for answer in sorted({candidate.answer for candidate in candidates})}
        return _best(candidates, lambda candidate: scores[candidate.answer], "verified")

    return method


METHODS: dict[str, Callable[[Sequence[Candidate]], Selection | None]] = {
    "value": by_value,
    "visits": by_visits,
    "majority": majority,
    "weighted_vote": weighted_vote,
}
"""The methods that need nothing but candidates, by name."""

NEEDY = ("verified", "borda", "discriminated")
"""The methods that need more: a verifier, preferences, candidates put to a second model."""


def select(
    method: str,
    candidates: Sequence[Candidate],
    verifier: Verifier | None = None,
    preferences: Mapping[tuple[int, int], float] | None = None,
) -> Selection | None:
    """Choose by a method's name.

    Args:
        method: One of `METHODS` or `NEEDY`.
        candidates: What to choose from.
        verifier: For `verified`: scores answers.
        preferences: For `borda`: the chance that the first node of a pair is better than the second.

    Returns:
        The selection, or None where there is no candidate.

    Raises:
        BadInput: No such method, `verified` without a verifier, or `borda` without preferences.
    """
    if method == "verified":
        if verifier is None:
            raise BadInput("selection 'verified' needs a verifier: give one, for example --verifier exact:42")
        return verified(verifier)(candidates)
    if method == "borda":
        if preferences is None:
            raise BadInput("selection 'borda' needs preferences: compare candidates in pairs during the search")
        return borda(preferences)(candidates)
    if method == "discriminated":
        return discriminated(candidates)
    if method not in METHODS:
        raise BadInput(f"unknown selection {method!r}: use one of {', '.join([*METHODS, *NEEDY])}")
    return METHODS[method](candidates)


def _value(candidate: Candidate, missing: float = -math.inf) -> float:
    """The value as a number; `missing` for none and for NaN, which no order has a place for."""
    value = candidate.value
    return missing if value is None or math.isnan(value) else value


def _rank(candidate: Candidate) -> tuple[float, int, int]:
    """The order among candidates of equal score: larger is better."""
    return _value(candidate), candidate.visits, -candidate.node


def _agreed(candidate: Candidate) -> float:
    """How far a second model agreed; 0 where it was not asked."""
    return max(0.0, candidate.agreed or 0.0)


def _by_answer(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(normalise(candidate.answer), []).append(candidate)
    return groups


def _best(candidates: Sequence[Candidate], score: Callable[[Candidate], float], method: str) -> Selection | None:
    if not candidates:
        return None
    chosen = max(candidates, key=lambda candidate: (score(candidate), *_rank(candidate)))
    reached = score(chosen)
    return Selection(chosen.node, chosen.answer, reached if math.isfinite(reached) else 0.0, method)


def _vote(candidates: Sequence[Candidate], weight: Callable[[Candidate], float], method: str) -> Selection | None:
    if not candidates:
        return None
    groups = _by_answer(candidates)
    # fsum is exact, so the order in which candidates come cannot decide a tie
    weights = {answer: math.fsum(map(weight, group)) for answer, group in groups.items()}
    leaders = {answer: max(group, key=_rank) for answer, group in groups.items()}
    winner = max(groups, key=lambda answer: (weights[answer], *_rank(leaders[answer])))
    total = math.fsum(map(weight, candidates))
    chosen = leaders[winner]
    return Selection(chosen.node, chosen.answer, weights[winner] / total if total else 0.0, method)
