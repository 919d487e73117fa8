"""Rejection sampling: the right solutions of a question, no two alike, few of each.

What RFT in the sense of rejection-sampling fine-tuning trains on (Yuan et al. 2023, arXiv 2308.01825: distinct right
reasoning paths), and STaR and ReST-EM before a filter of their own. It works on solutions of any number of runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.operators.prune import normalised
from reflectree.training.labels.outcome import outcome
from reflectree.training.labels.source import RIGHT, Source
from reflectree.training.samples import Solution

Prefer = Literal["shortest", "different", "first"]


def accepted(
    solutions: Iterable[Solution], *, most: int = 4, least: float = RIGHT, prefer: Prefer = "shortest"
) -> list[Solution]:
    """At most `most` solutions a question of a reward of at least `least`, without repetitions.

    Args:
        solutions: Solutions of any questions.
        most: Most of a question.
        least: The least reward.
        prefer: Which to take: the `shortest`, the most `different` ones (each has the fewest words in common with those
            taken before it, the shortest first), or the `first`.

    Raises:
        BadInput: There is no such preference.
    """
    if prefer not in ("shortest", "different", "first"):
        raise BadInput(f"no way to prefer solutions called {prefer!r}: use shortest, different or first")
    groups: dict[str, dict[tuple[str, ...], Solution]] = {}
    for sample in solutions:
        if sample.reward >= least and sample.steps:
            key = tuple(map(normalised, sample.steps))
            groups.setdefault(sample.question, {}).setdefault(key, sample)
    made = []
    for group in groups.values():
        found = list(group.values())
        if prefer != "first":
            found.sort(key=_length)  # stable: the older of equals
        made += _most_different(found, most) if prefer == "different" else found[:most]
    return made


def rejection(source: Source) -> list[Solution]:
    """The shortest right solutions of a run, at most four and no two alike."""
    return [replace(sample, origin=replace(sample.origin, label="rejection")) for sample in accepted(outcome(source))]


def _length(sample: Solution) -> int:
    return sum(map(len, sample.steps))


def _most_different(found: list[Solution], most: int) -> list[Solution]:
    words = [frozenset(" ".join(sample.steps).lower().split()) for sample in found]
    left, taken = list(range(len(found))), list[int]()
    while left and len(taken) < most:
        choice = min(left, key=lambda i: max((_likeness(words[i], words[j]) for j in taken), default=0.0))
        left.remove(choice)
        taken.append(choice)
    return [found[i] for i in taken]


def _likeness(a: frozenset[str], b: frozenset[str]) -> float:
    """The share of words two texts have in common (Jaccard)."""
    return len(a & b) / len(a | b) if a or b else 1.0
