from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine import Oracle
from tests.support.virtual_time import run_virtually

from reflectree.agents import evaluators
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators import Evaluator, FunctionEvaluator, ScoreError, VerifierEvaluator, checked, choose
from reflectree.models.base import Choice, Reply, Request
from reflectree.models.calling import Caller
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.blueprint import Evaluate, Generate
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import Usage

OPEN = Path(Task("What is 6 times 7?"), (Step("6 * 7"),))
DONE = Path(Task("What is 6 times 7?"), (Step("Answer: 42", status="terminal", answer="42"),))


def scored(evaluator: Evaluator, path: Path, policy: Oracle) -> Any:
    caller = Caller(policy, Ledger(Budget()))
    run = cast(AgentRun, SimpleNamespace(seed=0, caller=lambda role: caller))
    return run_virtually(evaluator.score(path, Call("evaluate", (1,)), run))


@given(st.floats(0, 1) | st.booleans() | st.integers(0, 1))
def test_a_score_is_a_number_from_zero_to_one(value: Any) -> None:
    assert checked(value) == float(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e-9, 1 + 1e-9, "x", None, [], 10**400])
def test_anything_else_is_no_score(value: Any) -> None:
    with pytest.raises((ScoreError, OverflowError)):
        checked(value)


def test_a_function_is_local_unless_it_is_async() -> None:
    async def slow(path: Path) -> float:
        return 0.25

    class Slow:
        async def __call__(self, path: Path) -> float:
            return 0.75

    assert FunctionEvaluator(lambda path: 0.5).local
    assert FunctionEvaluator(lambda path: 0.5).score_now(OPEN).value == 0.5
    for function, value in ((slow, 0.25), (Slow(), 0.75)):
        evaluator = FunctionEvaluator(function)
        assert not evaluator.local
        assert scored(evaluator, OPEN, Oracle()).value == value


def test_a_verifier_scores_answers_and_is_neutral_to_what_is_open() -> None:
    evaluator = VerifierEvaluator(verifiers.exact("42"))
    assert evaluator.score_now(DONE).value == 1.0
    assert evaluator.score_now(OPEN).value == 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"reason": "good", "score": 10}', 0.99),
        ('{"reason": "bad", "score": 1}', 0.0),
        ('Sure: {"score": 5.0, "reason": "so"} indeed', 4 / 9),
        ("Score: 7", 6 / 9),
        ("I give it 3/10.", 2 / 9),
    ],
)
def test_a_judge_grades_from_one_to_ten(text: str, value: float) -> None:
    score = scored(evaluators.judge("short?"), OPEN, Oracle(lambda request, number: text))
    assert score.value == pytest.approx(value)
    assert score.usage.calls == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no grade",
        '{"score": 0}',
        '{"score": 11}',
        '{"score": 1e999}',
        '{"score": NaN}',
        '{"score": []}',
        "{" * 10,
        '{"score": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "score: 100",
    ],
    ids=lambda text: text[:20],
)
def test_a_reply_without_a_grade_is_no_score_and_is_paid(text: str) -> None:
    policy = Oracle(lambda request, number: text)
    with pytest.raises(ScoreError) as error:
        scored(evaluators.judge(), OPEN, policy)
    assert error.value.usage.calls == len(policy.requests) == 2


def test_rollouts_of_an_open_path_are_its_agreement() -> None:
    answers = ["Answer: 42", "Answer: 42.0", "Answer: 7", "Answer: 42"]

    class Four(Oracle):
        def _reply(self, request: Request, number: int) -> Reply:
            return Reply(tuple(map(Choice, answers)), Usage(1, 0, 5, 5, 0.0))

    policy = Four(max_n=4)
    assert scored(evaluators.rollouts(4), OPEN, policy).value == 0.75
    assert policy.requests[0].prefill == "6 * 7\n"
    assert scored(evaluators.rollouts(4), DONE, policy).value == 0.75
    assert policy.requests[1].prefill == ""


def test_what_is_given_wins() -> None:
    given_judge = evaluators.judge()
    assert choose(Evaluate(), Generate(), given_judge, None, oracle=False) is given_judge
    with pytest.raises(BadInput, match="give a function of a Path"):
        choose(Evaluate(), Generate(), 5, None, oracle=False)
    with pytest.raises(BadInput, match="none was given"):
        choose(Evaluate(kind="verifier"), Generate(), None, None, oracle=False)
