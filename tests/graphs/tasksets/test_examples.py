from __future__ import annotations

import re

import pytest

from reflectree.graphs.tasksets import examples_for
from reflectree.graphs.tasksets.examples import countdown_example
from reflectree.rlm_ops.answers import extract_answer
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.verifiers import countdown


def test_a_worked_countdown_example() -> None:
    example = countdown_example([9, 3, 8], 14, "9 + 8 - 3")
    assert example is not None
    assert example.question.startswith("Use 3, 8 and 9 to make 14.")
    assert example.steps == ("9 + 8 = 17 (left: 3 17)", "17 - 3 = 14 (left: 14)")
    assert example.answer == "(9 + 8) - 3"
    assert extract_answer(example.question) is None


@pytest.mark.parametrize(
    ("numbers", "target", "solution"),
    [
        ([3, 8, 9], 14, "3 - 8 + 19"),
        ([3, 8, 19], 14, "3 - 8 + 19"),
        ([8, 3, 8, 3], 24, "8 / (3 - 8 / 3)"),
        ([3, 8], 12, "3 + 8"),
        ([3, 8], 11, "-3 + 8"),
        ([3, 8, 1], 11, "3 + 8"),
    ],
)
def test_solutions_without_plain_steps_make_no_example(numbers: list[int], target: int, solution: str) -> None:
    assert countdown_example(numbers, target, solution) is None


@pytest.mark.slow
def test_examples_of_a_set_are_right_and_of_their_own() -> None:
    examples = examples_for("countdown", 5, seed=3, config={"min_numbers": 4, "max_numbers": 4})
    assert len({example.question for example in examples}) == 5
    for example in examples:
        given = [int(number) for number in re.findall(r"\d+", example.question)]
        assert countdown(given[:4], given[4]).score(example.answer) == 1.0
        assert len(example.steps) == 3
    assert examples == examples_for("countdown", 5, seed=3, config={"min_numbers": 4, "max_numbers": 4})
    assert examples[0] not in examples_for(
        "countdown", 3, seed=3, config={"min_numbers": 4, "max_numbers": 4}, avoid=examples[0].question
    )


@pytest.mark.slow
def test_other_sets_have_questions_and_answers() -> None:
    (example,) = examples_for("chain_sum", 1)
    assert example.steps == ()
    assert example.answer


@pytest.mark.slow
def test_more_than_there_are() -> None:
    config = {"min_numbers": 2, "max_numbers": 2, "max_value": 1, "min_target": 1, "operators": ("+",)}
    with pytest.raises(BadInput, match="not 3 different examples"):
        examples_for("countdown", 3, config=config)
