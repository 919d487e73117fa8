from __future__ import annotations

import pytest

from reflectree.agents import prompts
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Example, Task


def test_a_solution_is_asked_for_after_the_examples() -> None:
    task = Task("What is 6 times 7?", "Numbers are decimal.", (Example("1+1?", ("One and one.", "Two."), "2"),))
    system, asked, shown, question = prompts.solving(Path(task), "solution")
    assert (system.role, system.content) == ("system", prompts.SOLVE)
    assert (asked.role, asked.content) == ("user", "1+1?")
    assert (shown.role, shown.content) == ("assistant", "One and one.\nTwo.\nAnswer: 2")
    assert question.content == "<context>\nNumbers are decimal.\n</context>\n\nWhat is 6 times 7?"


@pytest.mark.parametrize("granularity", ["step", "token"])
def test_steps_have_a_system_turn_of_their_own(granularity: str) -> None:
    (system, asked) = prompts.solving(Path(Task("Q?")), "step" if granularity == "step" else "token")
    assert system.content == prompts.STEPWISE
    assert asked.content == "Q?"


def test_what_is_begun_is_one_step_a_line() -> None:
    assert prompts.begun(Path(Task("Q?"))) == ""
    assert prompts.begun(Path(Task("Q?"), (Step("a"), Step("b")))) == "a\nb\n"


def test_a_judge_sees_problem_and_solution_as_data_and_then_the_rubric() -> None:
    system, asked = prompts.judging(Path(Task("Q?"), (Step("a"), Step("b"))), "Is it short?")
    assert system.content == prompts.JUDGE
    assert asked.content.startswith("<problem>\nQ?\n</problem>\n\n<solution>\na\nb\n</solution>\n\n")
    assert "Look at this: Is it short?" in asked.content
