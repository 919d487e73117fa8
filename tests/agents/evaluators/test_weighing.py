from __future__ import annotations

import pytest
from tests.agents.evaluators.rig import DONE, OPEN, a_run, always, asked, says, scored, step

from reflectree.agents.evaluators import ScoreError, scale
from reflectree.rlm_ops.errors import BadInput


def test_words_are_worth_what_the_scale_says_and_the_mean_counts() -> None:
    policy = says("Sure", '{"reason": "why", "value": "likely"}', "impossible")
    score = scored(scale(repeats=3), a_run(policy), OPEN)
    assert score.value == pytest.approx((1 + 0.05 + 0.00005) / 3)
    assert score.note == "sure, likely, impossible: why"
    assert (len(policy.requests), policy.requests[0].n) == (1, 3)
    assert 'Choose "sure" or "likely" or "impossible"' in asked(policy.requests[0])


def test_a_word_is_never_certain() -> None:
    assert scored(scale(), a_run(always("sure")), OPEN).value == 0.99


def test_an_answer_that_cannot_be_right_is_worth_nothing() -> None:
    policy = always("impossible")
    assert scored(scale(), a_run(policy), DONE).value == 0.0
    assert scored(scale(), a_run(policy), OPEN).value == 0.00005
    assert "states its answer" in asked(policy.requests[0])


def test_a_path_at_its_end_without_an_answer_is_worth_nothing_and_nobody_is_asked() -> None:
    policy = always("sure")
    run = a_run(policy, step("a"), step("b", under=1), step("c", under=2))
    assert scored(scale(), run, 3).value == 0.0
    assert policy.requests == []
    assert scored(scale(), run, 2).value == 0.99


def test_another_word_is_no_score() -> None:
    with pytest.raises(ScoreError, match="word of the scale"):
        scored(scale({"good": 1, "bad": 0}), a_run(always("sure")))


@pytest.mark.parametrize("values", [{}, {"sure": 1.0}, {"Sure": 1.0, "sure": 0.5}, {"": 1.0, "b": 0}, {"a": 2, "b": 0}])
def test_scales_that_are_none_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="scale"):
        scale(values)
