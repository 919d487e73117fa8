"""The end of a run: select an answer, and say what the verifier thinks of it.

Only here does a verifier that knows the gold answer look at anything, and only after the search is over: what it says
stands in the last event, which search never reads.
"""

from __future__ import annotations

from reflectree.rlm_ops.events import Answered
from reflectree.rlm_ops.selection import Candidate, select
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Verifier

DISCRIMINATE = "discriminate"
"""The variant of *evaluate* under which another model's agreement is observed."""


def candidates(structure: ReasoningStructure) -> list[Candidate]:
    """The answers found: one candidate a terminal node."""
    found = []
    for node in structure.terminals:
        answer = structure.steps[node].answer
        if answer is not None:
            agreed = structure.asides.get((node, DISCRIMINATE))
            found.append(Candidate(node, answer, structure.value(node), structure.visits[node], agreed))
    return found or _unjudged(structure)


def _unjudged(structure: ReasoningStructure) -> list[Candidate]:
    """Answers that failed only for want of a readable judgement: that says nothing against them, and they are paid."""
    return [
        Candidate(node, step.answer, None, structure.visits[node])
        for node, step in enumerate(structure.steps)
        if step.status == "failed"
        and step.answer is not None
        and not structure.evaluations[node]
        and structure.failures.get(("evaluate", (node,)))
    ]


def answer_event(structure: ReasoningStructure, selection: str, verifier: Verifier | None, reason: str) -> Answered:
    """The last event of a run.

    Args:
        structure: What was found.
        selection: The blueprint's way to select an answer.
        verifier: Says whether answers are right; it decides nothing, unless `selection` is `verified`.
        reason: Why the run ended.
    """
    found = candidates(structure)
    jury = None if verifier is None else _Jury(verifier)
    chosen = select(selection, found, jury, structure.preferences)
    verdicts = [] if jury is None else [jury.verdict(candidate.answer) for candidate in found]
    return Answered(
        node=chosen.node if chosen else -1,
        answer=chosen.answer if chosen else None,
        score=chosen.score if chosen else None,
        stop_reason=reason,
        selection=chosen.method if chosen else selection,
        correct=None if jury is None else jury.verdict(chosen.answer) if chosen else False,
        in_structure=None if jury is None else True if True in verdicts else None if None in verdicts else False,
    )


class _Jury:
    """A verifier that is asked once an answer, and whose own trouble costs nobody the paid search."""

    def __init__(self, verifier: Verifier) -> None:
        self.name = verifier.name
        self.gold = verifier.gold
        self._verifier = verifier
        self._scores: dict[str, float | None] = {}

    def score(self, answer: str) -> float:
        """The score by which answers are ranked: one that cannot be judged comes last."""
        return self._judge(answer) or 0.0

    def verdict(self, answer: str) -> bool | None:
        """Whether the answer is right; `None` where the verifier could not say: that is unknown, not wrong."""
        score = self._judge(answer)
        return None if score is None else score >= 1.0

    def _judge(self, answer: str) -> float | None:
        if answer not in self._scores:
            try:
                self._scores[answer] = self._verifier.score(answer)
            except Exception:  # the boundary to a user's verifier
                self._scores[answer] = None
        return self._scores[answer]
