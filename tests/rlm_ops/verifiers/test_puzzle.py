from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.verifiers.gym import gym_dataset

PUZZLE = verifiers.countdown([3, 5, 7, 8], 24)


@pytest.mark.parametrize(
    "answer",
    [
        "(5 + 7) * (8 / 4)",
        "3 * 8",
        "3 + 5 + 7 + 8",
        "3 + 5 + 8 + 8",
        "(7 - 5) * 3 * 8 / 2",
        "24",
        "= 24",
        "3 + 5 + 8 + 7 + 1",
        "35 - 7 - 8",
        "3 ** 5 + 7 + 8",
        "3.0 + 5 + 7 + 8",
        "__import__('os').system('true')",
        "3 if 5 else 7 + 8",
        "(lambda: 3)() + 5 + 7 + 8",
        "",
        "(((",
        "3 // 5 + 7 + 8",
        "3 5 7 8",
        "3(5)(7)(8)",
        "03 + 5 + 7 + 8",
        "-" * 990 + "3",
        "(" * 400 + "3" + ")" * 400,
        "3 +" * 5000,
        "\x003+5+7+8",
        "\u0663 + 5 + 7 + 8",
    ],
)
def test_what_is_not_a_solution(answer: str) -> None:
    assert PUZZLE.score(answer) == 0.0


def test_each_number_exactly_once() -> None:
    # by hand: (3 * (5 + 7) - 8) is 28, 3 * 8 * (7 - 5) is 48, (5 - (8 - 7)) * 3 is 12
    assert verifiers.countdown([3, 5, 7, 8], 28).score("3 * (5 + 7) - 8") == 1.0
    assert verifiers.countdown([3, 5, 7, 8], 48).score("3 * 8 * (7 - 5)") == 1.0
    assert verifiers.countdown([3, 5, 7, 8], 12).score("(5 - (8 - 7)) * 3") == 1.0
    assert verifiers.countdown([3, 3, 5], 11).score("3 + 3 + 5") == 1.0
    assert verifiers.countdown([3, 5], 11).score("3 + 3 + 5") == 0.0


@pytest.mark.parametrize(
    "answer",
    [
        "((9 + 8) - 3)",
        "9+8-3",
        "8 - 3 + 9 = 14",
        "$9 + 8 - 3$",
        "[9 + 8] \u2212 3",
        "-3 + 9 + 8.",
        "9 + 8 - 3 = 14.0",
    ],
)
def test_every_way_of_writing_a_solution(answer: str) -> None:
    assert verifiers.countdown([9, 8, 3], 14).score(answer) == 1.0


def test_arithmetic_is_exact() -> None:
    assert verifiers.countdown([8, 3, 8, 3], 24).score("8 / (3 - 8 / 3)") == 1.0
    assert verifiers.countdown([1, 3, 3], 1).score("1 / 3 * 3") == 1.0
    assert verifiers.countdown([5, 3, 3], 1).score("5 / (3 - 3)") == 0.0
    assert verifiers.countdown([6, 7], 42).score(r"6 \times 7") == 1.0


def test_a_claimed_result_must_be_the_target() -> None:
    puzzle = verifiers.countdown([6, 7], 42)
    assert puzzle.score("6 * 7 = 41") == 0.0
    assert puzzle.score("6 * 7 = 42 = 42") == 0.0


def test_the_rules_are_not_gold() -> None:
    assert (PUZZLE.name, PUZZLE.gold) == ("countdown", False)
    assert PUZZLE == verifiers.countdown((3, 5, 7, 8), 24)
    assert hash(PUZZLE) == hash(verifiers.countdown((3, 5, 7, 8), 24))


@pytest.mark.parametrize(
    ("numbers", "target"), [([], 1), ([1.5], 1), ([True], 1), ([-1], 1), ([1] * 33, 1), ([1], "1")]
)
def test_impossible_puzzles(numbers: Any, target: Any) -> None:
    with pytest.raises(BadInput, match="countdown puzzle"):
        verifiers.countdown(numbers, target)


@given(st.text(alphabet="0123456789+-*/() =.", max_size=60) | st.text())
def test_judging_never_raises(answer: str) -> None:
    assert PUZZLE.score(answer) in (0.0, 1.0)


@pytest.mark.slow
def test_reasoning_gym_agrees() -> None:
    dataset = gym_dataset("countdown", seed=3, config={"min_numbers": 3, "max_numbers": 5})
    for index in range(60):
        entry = dataset[index]
        numbers, target, solution = entry["metadata"]["numbers"], entry["metadata"]["target"], entry["answer"]
        ours = verifiers.countdown(numbers, target)
        for answer in (solution, f"({solution})", f"{solution} + 1", f"{numbers[0]}", f"{solution} - 0 * {numbers[0]}"):
            assert (ours.score(answer) == 1.0) == (dataset.score_answer(answer, entry) == 1.0), answer
