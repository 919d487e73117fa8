"""Journey traces: the way to an answer with its wrong turns, why they are wrong, and going back, as one solution.

O1 Replication Journey (arXiv 2410.18982): a depth-first walk of the tree with a limited number of failed attempts at
each step. The walk is `rlm_ops.operators.linearise.journey`; here it becomes a sample. With no failures it is the
shortcut, their control.
"""

from __future__ import annotations

from reflectree.rlm_ops.operators.linearise import journey as journey_to
from reflectree.training.labels.source import Source
from reflectree.training.samples import Solution


def goal(source: Source) -> int:
    """Where the journey leads: to the run's answer where it is right, else to the shortest right solution.

    Where no solution is right it leads to the run's answer all the same; -1 where that is unknown too.
    """
    rights = [end for end in source.ends if source.right(end)]
    if not rights or source.given in rights:
        return source.given
    return min(rights, key=lambda end: (len(source.read(end)), end))


def journey(source: Source) -> list[Solution]:
    """The journey with at most one failed attempt at each step."""
    return told(source, 1)


def shortcut(source: Source) -> list[Solution]:
    """The way to the answer alone."""
    return told(source, 0)


def told(source: Source, failures: int) -> list[Solution]:
    """The journey with at most `failures` failed attempts at each step; none where its outcome is not known."""
    node = goal(source)
    if node not in source.outcomes:
        return []
    moments = [moment for moment in journey_to(source.structure, node, failures) if moment.text.strip()]
    return [
        Solution(
            question=source.question,
            steps=tuple(moment.text for moment in moments),
            answer=source.structure.steps[node].answer or "",
            reward=source.outcomes[node],
            origin=source.origin("journey" if failures else "journey/shortcut", node),
        )
    ]
