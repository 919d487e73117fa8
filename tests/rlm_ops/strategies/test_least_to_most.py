from __future__ import annotations

from random import Random

import pytest
from tests.support.drive import drive, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.events import Failed, Grown
from reflectree.rlm_ops.strategies.least_to_most import LeastToMost
from reflectree.rlm_ops.structure import fold

LIST = "1. How old is Ann?\n2. How old is Bo?\n3. How old are both together?"


def do(strategy: LeastToMost, history: History, text: str = "step", answer: str | None = None) -> tuple[str, int]:
    """Carry out the one call that is asked for; its variant and its parent."""
    (call,) = strategy.ask(history.live, 4)
    history.live.begin(call)
    assert strategy.ask(history.live, 4) == []
    status = "open" if answer is None else "terminal"
    history.tell(
        Grown(nodes=call.nodes, index=call.index, how=call.how, text=text, status=status, answer=answer)  # type: ignore[arg-type]
    )
    return call.how, call.nodes[0]


def fail(strategy: LeastToMost, history: History) -> tuple[str, int]:
    (call,) = strategy.ask(history.live, 4)
    history.live.begin(call)
    history.tell(Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how))
    return call.how, call.nodes[0]


def test_sub_questions_are_answered_in_order_and_the_last_one_answers_the_task() -> None:
    strategy = LeastToMost()
    history = started(strategy)
    assert do(strategy, history, LIST) == ("decompose", 0)
    assert do(strategy, history, "Ann is 4.") == ("subquestion", 1)
    assert do(strategy, history, "Bo is 6.") == ("subquestion", 2)
    assert do(strategy, history, "Answer: 10", "10") == ("subquestion", 3)
    assert strategy.ask(history.live, 4) == []
    assert [step.text for step in history.live.path(4).steps] == [LIST, "Ann is 4.", "Bo is 6.", "Answer: 10"]


def test_an_early_answer_ends_it() -> None:
    strategy = LeastToMost()
    history = started(strategy)
    do(strategy, history, LIST)
    do(strategy, history, "Answer: 10", "10")
    assert strategy.ask(history.live, 4) == []


def test_after_the_last_sub_question_the_answer_is_asked_for() -> None:
    strategy = LeastToMost()
    history = started(strategy)
    do(strategy, history, LIST)
    for _ in range(3):
        assert do(strategy, history)[0] == "subquestion"
    assert do(strategy, history, answer="10") == ("force", 4)
    assert strategy.ask(history.live, 4) == []


def test_no_more_sub_questions_than_asked_for() -> None:
    strategy = LeastToMost(most=2)
    history = started(strategy)
    do(strategy, history, LIST)
    assert [do(strategy, history)[0] for _ in range(3)] == ["subquestion", "subquestion", "force"]
    assert max(history.live.depth) == strategy.limits().depth


@pytest.mark.parametrize("listed", ["", "I do not know.", None])
def test_without_a_decomposition_the_task_is_solved_whole(listed: str | None) -> None:
    strategy = LeastToMost()
    history = started(strategy)
    if listed is None:
        assert fail(strategy, history) == ("decompose", 0)
    else:
        assert do(strategy, history, listed) == ("decompose", 0)
    assert fail(strategy, history) == ("whole", 0)
    assert do(strategy, history, answer="10") == ("whole", 0)
    assert strategy.ask(history.live, 4) == []


def test_a_chain_that_breaks_ends_in_one_go() -> None:
    strategy = LeastToMost()
    history = started(strategy)
    do(strategy, history, LIST)
    do(strategy, history)
    tried = [fail(strategy, history) for _ in range(6)]
    assert tried == [("subquestion", 2)] * 2 + [("force", 2)] * 2 + [("whole", 0)] * 2
    assert strategy.ask(history.live, 4) == []


@pytest.mark.parametrize("seed", range(60))
def test_it_ends_whatever_happens(seed: int) -> None:
    random = Random(seed)
    strategy = LeastToMost(most=random.randint(1, 4))
    history = drive(strategy, random)
    assert fold(history.events) == history.live
    assert max(history.live.depth) <= strategy.limits().depth
    assert len(history.live.terminals) <= 1
