from __future__ import annotations

import pytest
from tests.agents.evaluators.rig import DONE, OPEN, a_run, always, asked, says, scored
from tests.support.virtual_time import run_virtually

from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators import DifficultyEvaluator, FinishedEvaluator, ScoreError, judge
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated
from reflectree.rlm_ops.settings import Evaluate


def test_difficulty_is_estimated_from_the_task_alone() -> None:
    policy = says('{"reason": "long", "difficulty": 10}', "Difficulty: 4")
    run = a_run(policy)
    score = scored(DifficultyEvaluator(Evaluate(repeats=2)), run, 0)
    assert score.value == pytest.approx((1 + 3 / 9) / 2)
    assert score.note == "long"
    assert "What?" in asked(policy.requests[0])
    assert "solution" not in asked(policy.requests[0])


def test_the_hardest_is_one() -> None:
    assert scored(DifficultyEvaluator(), a_run(always('{"difficulty": 10}')), 0).value == 1.0


def test_no_estimate_is_no_score() -> None:
    with pytest.raises(ScoreError, match="no difficulty"):
        scored(DifficultyEvaluator(), a_run(always("Hard!")), 0)


def test_whether_a_solution_is_finished_is_asked_unless_it_answers() -> None:
    policy = says('{"reason": "no sum", "finished": false}', "Yes.", "<end>")
    run = a_run(policy)
    assert scored(FinishedEvaluator(), run, DONE).value == 1.0
    assert scored(FinishedEvaluator(), run, 0).value == 0.0
    assert policy.requests == []
    score = scored(FinishedEvaluator(), run, OPEN)
    assert (score.value, score.note) == (0.0, "no sum")
    assert scored(FinishedEvaluator(Evaluate(repeats=2)), run, OPEN).value == 1.0


def test_observations_are_put_aside_under_their_variants_name() -> None:
    agent = EvaluatorAgent({"": judge(), "difficulty": DifficultyEvaluator()})
    run = a_run(always('{"difficulty": 7, "score": 2}'))
    (event,) = run_virtually(agent.carry_out([Call("evaluate", (0,), 0, "difficulty")], run))
    assert isinstance(event, Evaluated)
    assert (event.aside, event.how, event.source, event.value) == (True, "difficulty", "difficulty", 6 / 9)
    (plain,) = run_virtually(agent.carry_out([Call("evaluate", (1,))], run))
    assert isinstance(plain, Evaluated)
    assert not plain.aside
