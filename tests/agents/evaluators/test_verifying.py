from __future__ import annotations

import threading

import pytest
from tests.agents.evaluators.rig import DONE, OPEN, a_run, always, scored

from reflectree.agents import evaluators
from reflectree.agents.evaluators import VerifierEvaluator, VisibleTests
from reflectree.agents.evaluators.verifying import verifying
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.verifiers.literal import exact


class Tests:
    """A verifier that passes three of four tests, and remembers where it ran."""

    __test__ = False
    name = "code"
    gold = False

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def score(self, answer: str) -> float:
        self.threads.append(threading.current_thread())
        return 0.75 if answer == "42" else 1.0


def test_a_verifier_scores_answers_and_is_neutral_to_what_is_open() -> None:
    evaluator, run = VerifierEvaluator(exact("42")), a_run(always(""))
    assert evaluator.local
    assert evaluator.score_now(run.structure.path(DONE)).value == 1.0
    assert evaluator.score_now(run.structure.path(OPEN)).value == 0.5
    assert scored(evaluator, run, DONE).value == 1.0


def test_visible_tests_run_beside_the_loop_and_give_the_share_that_passes() -> None:
    verifier = Tests()
    evaluator, run = evaluators.tests(verifier), a_run(always(""))
    assert (evaluator.local, evaluator.source) == (False, "tests")
    assert scored(evaluator, run, DONE).value == 0.75
    assert scored(evaluator, run, OPEN).value == 0.5
    assert len(verifier.threads) == 1
    assert verifier.threads[0] is not threading.current_thread()


def test_what_runs_tests_is_waited_for() -> None:
    assert isinstance(verifying(Tests()), VisibleTests)
    assert isinstance(verifying(exact("42")), VerifierEvaluator)


def test_hidden_tests_and_what_is_no_verifier_are_refused() -> None:
    hidden = Tests()
    hidden.gold = True
    with pytest.raises(BadInput, match="gold=False"):
        evaluators.tests(hidden)
    with pytest.raises(BadInput, match="give a verifier"):
        evaluators.tests(lambda answer: 1.0)  # type: ignore[arg-type]
