from __future__ import annotations

from typing import Any

import pytest
from tests.support.event_strategies import History

from reflectree.graphs.answering import answer_event, candidates
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import VerifierError
from reflectree.rlm_ops.events import BackedUp, Evaluated, Failed, Grown, Pruned


def found(*answers: tuple[str, float]) -> History:
    history = History(9, 9, 9)
    for index, (answer, value) in enumerate(answers):
        history.tell(Grown(nodes=(0,), index=index, text=answer, answer=answer, status="terminal"))
        history.tell(Evaluated(node=index + 1, value=value))
        history.tell(BackedUp(node=index + 1, value=value))
    return history


def test_candidates_are_the_terminals_left() -> None:
    history = found(("1", 0.5), ("2", 0.7))
    history.tell(Grown(nodes=(0,), index=7, text="open"))
    history.tell(Pruned(nodes=(1,)))
    assert [(c.node, c.answer, c.value, c.visits) for c in candidates(history.live)] == [(2, "2", 0.7, 1)]


def test_selected_and_in_structure_are_told_apart() -> None:
    live = found(("41", 0.9), ("42", 0.2)).live
    event = answer_event(live, "value", verifiers.exact("42"), "complete")
    assert (event.answer, event.score, event.selection, event.stop_reason) == ("41", 0.9, "value", "complete")
    assert (event.correct, event.in_structure) == (False, True)
    event = answer_event(live, "verified", verifiers.exact("42"), "complete")
    assert (event.node, event.correct, event.in_structure) == (2, True, True)


def test_without_an_answer_and_without_a_verifier() -> None:
    assert answer_event(found().live, "majority", None, "budget:calls").answer is None
    event = answer_event(found().live, "majority", verifiers.exact("42"), "budget:calls")
    assert (event.node, event.answer, event.correct, event.in_structure) == (-1, None, False, False)
    event = answer_event(found(("1", 0.5)).live, "value", None, "complete")
    assert (event.correct, event.in_structure) == (None, None)


class Picky:
    """Cannot judge some answers; counts how often it is asked."""

    name = "picky"
    gold = True

    def __init__(self, **verdicts: Any) -> None:
        self.verdicts = verdicts
        self.asked: list[str] = []

    def score(self, answer: str) -> float:
        self.asked.append(answer)
        verdict = self.verdicts[answer]
        if isinstance(verdict, Exception):
            raise verdict
        return float(verdict)


@pytest.mark.parametrize("trouble", [VerifierError("slow"), ValueError("bug"), RecursionError("deep")])
def test_an_answer_that_cannot_be_judged_is_unknown_and_not_wrong(trouble: Exception) -> None:
    live = found(("a", 0.9), ("b", 0.1)).live
    event = answer_event(live, "value", Picky(a=trouble, b=0.0), "complete")
    assert (event.correct, event.in_structure) == (None, None)
    event = answer_event(live, "value", Picky(a=trouble, b=1.0), "complete")
    assert (event.correct, event.in_structure) == (None, True)
    event = answer_event(live, "verified", Picky(a=trouble, b=0.5), "complete")
    assert (event.answer, event.correct) == ("b", False)


def test_each_answer_is_judged_once() -> None:
    picky = Picky(a=1.0, b=0.0)
    answer_event(found(("a", 0.9), ("b", 0.1), ("a", 0.5)).live, "verified", picky, "complete")
    assert sorted(picky.asked) == ["a", "b"]


def test_an_answer_nobody_could_judge_is_better_than_none() -> None:
    history = History(9, 9, 9)
    history.tell(Grown(nodes=(0,), text="42", answer="42", status="terminal"))
    history.tell(Failed(of="evaluate", nodes=(1,), reason="no score in it"))
    assert answer_event(history.live, "value", None, "complete").answer == "42"
    history.tell(Grown(nodes=(0,), index=1, text="41", answer="41", status="terminal"))
    history.tell(Evaluated(node=2, value=0.1))
    assert answer_event(history.live, "value", None, "complete").answer == "41"
