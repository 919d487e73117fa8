from __future__ import annotations

import math

import pytest
from tests.agents.evaluators.rig import DONE, OPEN, a_run, always, says, scored

from reflectree.agents.evaluators import ScoreError, rollouts
from reflectree.rlm_ops.verifiers.callback import function

AGREEING = ("Answer: 42", "Answer: 42.0", "Answer: 7", "Answer: 42")


def test_rollouts_of_an_open_path_are_its_agreement() -> None:
    policy = says(*AGREEING)
    score = scored(rollouts(4), a_run(policy), OPEN)
    assert (score.value, score.note, score.usage.calls) == (0.75, "42 x3; 7 x1", 1)
    assert (policy.requests[0].prefill, policy.requests[0].n) == ("6 * 7\n", 4)


def test_rollouts_of_an_answer_are_fresh_solutions() -> None:
    policy = says(*AGREEING)
    assert scored(rollouts(4), a_run(policy), DONE).value == 0.75
    assert policy.requests[0].prefill == ""


def test_with_a_verifier_the_share_it_accepts_counts() -> None:
    policy = says(*AGREEING)
    evaluator = rollouts(4, function(lambda answer: answer == "7", name="seven"))
    assert evaluator.source == "rollouts+verifier"
    assert scored(evaluator, a_run(policy), OPEN).value == 0.25


def test_with_a_verifier_a_rollout_without_an_answer_is_no_wrong_one() -> None:
    policy = says("Answer: 42", "hm", "hm")
    assert scored(rollouts(2, function(lambda answer: answer == "42")), a_run(policy), OPEN).value == 0.99


def test_with_a_verifier_an_answer_needs_no_rollout() -> None:
    policy = always("Answer: 42")
    run = a_run(policy)
    assert scored(rollouts(4, function(lambda answer: True)), run, DONE).value == 1.0
    assert policy.requests == []


def test_a_verifier_that_breaks_fails_the_node_and_the_rollouts_are_paid() -> None:
    def broken(answer: str) -> float:
        return math.nan

    with pytest.raises(ScoreError, match="VerifierError") as error:
        scored(rollouts(2, function(broken)), a_run(always("Answer: 1")), OPEN)
    assert error.value.usage.calls == 1


def test_rollouts_without_any_answer_are_no_score() -> None:
    with pytest.raises(ScoreError, match="no answer") as error:
        scored(rollouts(2), a_run(always("hm")), OPEN)
    assert error.value.usage.calls == 2
