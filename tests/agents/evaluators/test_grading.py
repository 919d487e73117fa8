from __future__ import annotations

import pytest
from tests.agents.evaluators.rig import a_run, always, asked, says, scored

from reflectree.agents.evaluators import ScoreError, rubric
from reflectree.rlm_ops.errors import BadInput

CRITERIA = {"correct": "Is each step right?", "short": "Is it short?"}


def test_each_criterion_is_graded_in_one_reply_and_the_mean_counts() -> None:
    policy = always('{"reason": "why", "scores": {"Correct": 10, "short": 4}}')
    score = scored(rubric(CRITERIA), a_run(policy))
    assert score.value == pytest.approx((1 + 3 / 9) / 2)
    assert score.note == "correct 10, short 4: why"
    assert len(policy.requests) == 1
    assert "- correct: Is each step right?\n- short: Is it short?" in asked(policy.requests[0])
    assert policy.requests[0].json_schema is not None
    assert policy.requests[0].json_schema["properties"]["scores"]["required"] == ["correct", "short"]


def test_repeats_are_meant_by_criterion() -> None:
    policy = says('{"correct": 2, "short": 4}', '{"correct": 4, "short": 4}')
    score = scored(rubric(CRITERIA, repeats=2), a_run(policy))
    assert score.note == "correct 3, short 4"
    assert score.value == pytest.approx((2 / 9 + 3 / 9) / 2)


def test_full_marks_are_not_certain() -> None:
    assert scored(rubric(CRITERIA), a_run(always('{"correct": 10, "short": 10}'))).value == 0.99


@pytest.mark.parametrize("text", ['{"correct": 5}', '{"correct": 5, "short": 11}', '{"correct": NaN, "short": 2}', "5"])
def test_a_reply_without_all_grades_is_no_score(text: str) -> None:
    with pytest.raises(ScoreError, match="grade for each criterion"):
        scored(rubric(CRITERIA), a_run(always(text)))


@pytest.mark.parametrize("criteria", [{}, {" ": "x"}, {"a b": "x", "A_B": "y"}])
def test_criteria_that_cannot_be_asked_for_are_refused(criteria: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        rubric(criteria)
