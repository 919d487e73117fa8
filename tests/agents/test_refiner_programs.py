"""Rewrites of programs, and rewrites in view of what the run's evaluator remarked."""

from __future__ import annotations

from typing import Any

from tests.agents.test_refiner import Play
from tests.support.event_strategies import History

from reflectree.agents.refiner import check_refine
from reflectree.models.base import Choice
from reflectree.rlm_ops.events import Began, Evaluated, Failed, Grown
from reflectree.rlm_ops.settings import Refine
from reflectree.rlm_ops.structure import ReasoningStructure

FIRST = "def f(x):\n    return x\n"
SECOND = "def f(x):\n    return 2 * x\n"


def block(program: str) -> str:
    return f"Now it doubles.\n\n```python\n{program}```\n"


def program(value: float | None = 0.25, note: str = "1 of 4 cases right; f(2) got 2, wanted 4") -> History:
    """A program, measured."""
    history = History.__new__(History)
    history.live, history.events, history.flying = ReasoningStructure(), [], []
    history.tell(Began(question="Find f.", form="code", width=3, root_width=3, depth=5))
    history.tell(Grown(nodes=(0,), text=block(FIRST), granularity="solution", status="terminal", answer=FIRST))
    if value is not None:
        history.tell(Evaluated(node=1, value=value, note=note))
    return history


def refined(history: History, *replies: str | Choice, **settings: Any) -> tuple[Any, Play]:
    play = Play(history, replies, critique="remark", **settings)
    return play.event(), play


def test_the_evaluators_remark_is_the_feedback_and_the_block_is_the_answer() -> None:
    event, play = refined(program(), block(SECOND))
    assert isinstance(event, Grown)
    assert (event.status, event.answer, event.source) == ("terminal", SECOND, "remark")
    assert "f(2) got 2, wanted 4" in event.note
    (asked,) = play.asked()
    assert (
        "<feedback>\nIt is worth 0.25, where 1 is best.\n1 of 4 cases right; f(2) got 2, wanted 4\n</feedback>" in asked
    )
    assert "in one ```python code block" in asked
    assert "Answer:" not in asked


def test_a_program_that_says_answer_is_not_cut_there() -> None:
    says = 'def f(x):\n    print("Answer: 3")\n    return 2 * x\n'
    event, _ = refined(program(), block(says))
    assert event.answer == says


def test_a_reply_without_a_program_is_tried_again_and_then_fails() -> None:
    event, play = refined(program(), "It should double.", block(SECOND))
    assert event.answer == SECOND
    assert len(play.asked()) == 2
    event, _ = refined(program(), "It should double.", "It should double its input.")
    assert isinstance(event, Failed)
    assert event.reason == "the rewrite holds no program"
    cut = Choice(f"Now.\n```python\n{SECOND}", "length")
    event, _ = refined(program(), cut, cut)
    assert event.reason == "the rewrite was cut at max_tokens"


def test_the_same_program_in_other_words_is_no_rewrite() -> None:
    event, _ = refined(program(), "Here is another one.\n" + block(FIRST))
    assert isinstance(event, Failed)
    assert event.reason == "the rewrite changes nothing"


def test_what_is_perfect_or_was_not_measured_is_not_rewritten() -> None:
    event, play = refined(program(1.0), block(SECOND))
    assert event.reason == "nothing to refine: the evaluator finds nothing wrong"
    event, _ = refined(program(None), block(SECOND))
    assert event.reason == "node 1 was not evaluated"
    assert play.asked() == []


def test_a_remark_needs_neither_verifier_nor_critic() -> None:
    check_refine(Refine(critique="remark"), None, {}, "hypothesis-search")
