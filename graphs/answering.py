"""The end of a run: select an answer, and say what the verifier thinks of it.

Only here does a verifier that knows the gold answer look at anything, and only after the search is over: what it says
stands in the last event, which search never reads.
"""

from __future__ import annotations

from reflectree.rlm_ops.errors import VerifierError
from reflectree.rlm_ops.events import Answered
from reflectree.rlm_ops.selection import Candidate, select
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Verifier


def candidates(structure: ReasoningStructure) -> list[Candidate]:
    """The answers found: one candidate a terminal node."""
    found = []
    for node in structure.terminals:
        answer = structure.steps[node].answer
        if answer is not None:
            found.append(Candidate(node, answer, structure.value(node), structure.visits[node]))
    return found


def answer_event(structure: ReasoningStructure, selection: str, verifier: Verifier | None, reason: str) -> Answered:
    """The last event of a run.

    Args:
        structure: What was found.
        selection: The blueprint's way to select an answer.
        verifier: Says whether answers are right; it decides nothing, unless `selection` is `verified`.
        reason: Why the run ended.
    """
    found = candidates(structure)
    chosen = select(selection, found, verifier)
    verdicts = {answer: _is_right(verifier, answer) for answer in {candidate.answer for candidate in found}}
    known = [verdict for verdict in verdicts.values() if verdict is not None]
    return Answered(
        node=chosen.node if chosen else -1,
        answer=chosen.answer if chosen else None,
        score=chosen.score if chosen else None,
        stop_reason=reason,
        selection=chosen.method if chosen else selection,
        correct=(verdicts[chosen.answer] if chosen else False) if verifier is not None else None,
        in_structure=any(known) if verifier is not None else None,
    )


def _is_right(verifier: Verifier | None, answer: str) -> bool | None:
    if verifier is None:
        return None
    try:
        return verifier.score(answer) >= 1.0
    except VerifierError:  # the paid search is over: an answer that cannot be judged is unknown, not wrong
        return None
