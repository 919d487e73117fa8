from __future__ import annotations

import math

import pytest
from tests.agents.evaluators.rig import a_run, always, scored, step

from reflectree.agents.evaluators import confidence


def test_the_last_steps_confidence_is_the_value_and_nobody_is_asked() -> None:
    policy = always("Score: 3")
    run = a_run(policy, step("a", confidence=0.2), step("b", under=1, confidence=0.7))
    score = scored(confidence(), run, 2)
    assert (score.value, policy.requests) == (0.7, [])


def test_confidence_is_no_certainty() -> None:
    assert scored(confidence(), a_run(always(""), step("a", confidence=1.0))).value == 0.99


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf])
def test_without_log_probabilities_the_declared_fallback_scores(unknown: float | None) -> None:
    judge, policy = always("Score: 4"), always("Answer: 5")
    run = a_run(policy, step("a", confidence=unknown), judge=judge)
    assert scored(confidence("judge"), run).value == pytest.approx(3 / 9)
    assert scored(confidence("rollouts"), run).value == 0.99
    assert scored(confidence("neutral"), run).value == 0.5
    assert (len(judge.requests), len(policy.requests)) == (1, 1)


def test_it_is_local_where_nobody_is_ever_asked() -> None:
    run = a_run(always(""), step("a", confidence=0.3), step("b"))
    assert confidence("neutral").local
    assert not confidence("judge").local
    assert confidence("neutral").score_now(run.structure.path(1)).value == 0.3
    assert confidence("neutral").score_now(run.structure.path(2)).value == 0.5
