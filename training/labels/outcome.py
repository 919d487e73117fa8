"""Outcome-based supervision: whole solutions and what came of them.

Cobbe et al. 2021, arXiv 2110.14168 (token-level verifiers: every step carries the outcome), and the outcome-based
supervision of the blueprint, arXiv 2501.11223. Nothing here knows which step went wrong.
"""

from __future__ import annotations

from reflectree.training.labels.source import Source
from reflectree.training.samples import Labelled, Solution


def solution(source: Source, end: int, label: str) -> Solution:
    """The solution that ends at a node of known outcome."""
    return Solution(
        question=source.question,
        steps=source.texts(end),
        answer=source.structure.steps[end].answer or "",
        reward=source.outcomes[end],
        origin=source.origin(label, end),
    )


def outcome(source: Source) -> list[Solution]:
    """Every solution of the run whose outcome is known."""
    return [solution(source, end, "outcome") for end in source.ends if end in source.outcomes]


def selected(source: Source) -> list[Solution]:
    """The solution the run gave as its answer; none where it gave none or nobody knows whether it is right."""
    given = source.given
    return [] if given not in source.outcomes else [solution(source, given, "outcome/selected")]


def broadcast(source: Source) -> list[Labelled]:
    """Every solution with its outcome as the label of each of its steps: the control for process labels."""
    made = []
    for end in source.ends:
        if end in source.outcomes:
            made += source.labelled("outcome/steps", dict.fromkeys(source.read(end), source.outcomes[end]), [end])
    return made
