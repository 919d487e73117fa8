"""Law 8: gold never reaches a prompt, a score, a stop rule or the memory unless `oracle=True`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.engine import Oracle, search, tree
from tests.support.virtual_time import run_virtually

from reflectree.agents.evaluators import FunctionEvaluator, JudgeEvaluator, RolloutEvaluator, VerifierEvaluator, choose
from reflectree.models.base import Request
from reflectree.rlm_ops.blueprint import Evaluate, Generate
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

GOLD = "the-gold-answer-4711"


class Spy:
    """A verifier that knows the answer and writes down when it is asked."""

    def __init__(self, policy: Oracle, *, gold: bool = True) -> None:
        self.name = "spy"
        self.gold = gold
        self.secret = GOLD
        self.asked_at: list[int] = []
        self._policy = policy

    def score(self, answer: str) -> float:
        self.asked_at.append(len(self._policy.requests))
        return float(answer == "3")


def say(request: Request, number: int) -> str:
    if request.json_schema:
        return '{"reason": "so", "score": 6}'
    return f"Answer: {number % 5}" if number % 3 == 0 else f"step {number}"


@pytest.mark.parametrize("kind", ["auto", "judge", "rollouts"])
@pytest.mark.parametrize("strategy", ["mcts", "best-of-n"])
def test_gold_is_asked_after_the_search_and_never_shown(kind: str, strategy: str) -> None:
    policy = Oracle(say)
    spy = Spy(policy)
    blueprint = tree().with_overrides({"operators.evaluate.kind": kind, "operators.evaluate.rollouts": 2})
    if strategy == "best-of-n":
        blueprint = blueprint.with_overrides({"scheme.strategy": {"name": "best-of-n", "n": 5}})
    task = Task("What is 6 times 7?", verifier=spy)
    result = run_virtually(search(policy, task=task, blueprint=blueprint, evaluator=None))
    assert spy.asked_at
    assert set(spy.asked_at) == {len(policy.requests)}, "the verifier was asked before the search was over"
    assert not [request for request in policy.requests if GOLD in repr(request)]
    assert GOLD not in result.trace.dumps()
    assert GOLD not in json.dumps(result.to_json())
    assert result.oracle is False
    assert result.stop_reason == "complete"
    assert (result.in_structure, result.selected_correct) != (None, None)


def test_gold_changes_nothing_but_the_report() -> None:
    """The same search with and without the verifier, up to the last event."""
    with_gold = Oracle(say)
    seen = run_virtually(search(with_gold, verifier=Spy(with_gold))).trace.rows
    blind = run_virtually(search(Oracle(say))).trace.rows
    assert seen[1:-1] == blind[1:-1]
    assert {**seen[-1], "correct": None, "in_structure": None} == {**blind[-1], "correct": None, "in_structure": None}


def test_an_oracle_may_look_and_the_result_says_so() -> None:
    policy = Oracle(lambda request, number: f"Answer: {number}")
    spy = Spy(policy)
    result = run_virtually(search(policy, verifier=spy, evaluator=None, oracle=True, blueprint=tree(root_width=9)))
    assert min(spy.asked_at) < len(policy.requests)
    assert (result.oracle, result.stop_reason, result.answer, result.score) == (True, "confidence", "3", 1.0)


def test_a_verifier_without_gold_may_look() -> None:
    policy = Oracle(lambda request, number: f"Answer: {number}")
    spy = Spy(policy, gold=False)
    result = run_virtually(search(policy, verifier=spy, evaluator=None, blueprint=tree(root_width=9)))
    assert (result.oracle, result.stop_reason, result.answer) == (False, "confidence", "3")


@pytest.mark.parametrize(
    ("gold", "oracle", "kind", "expected"),
    [
        (False, False, "auto", VerifierEvaluator),
        (True, True, "auto", VerifierEvaluator),
        (True, False, "auto", JudgeEvaluator),
        (False, False, "judge", JudgeEvaluator),
        (True, True, "rollouts", RolloutEvaluator),
    ],
)
def test_the_choice_of_an_evaluator(gold: bool, oracle: bool, kind: Any, expected: type[Any]) -> None:
    spy = Spy(Oracle(), gold=gold)
    assert isinstance(choose(Evaluate(kind=kind), Generate(), None, spy, oracle=oracle), expected)
    assert isinstance(choose(Evaluate(kind=kind), Generate(), lambda path: 1.0, spy, oracle=oracle), FunctionEvaluator)


@pytest.mark.parametrize("override", [{"operators.evaluate.kind": "verifier"}, {"selection": "verified"}])
def test_a_blueprint_that_would_need_gold_is_refused_before_anything_is_paid(override: dict[str, Any]) -> None:
    policy = Oracle(say)
    with pytest.raises(BadInput, match="oracle=True"):
        run_virtually(search(policy, verifier=Spy(policy), evaluator=None, blueprint=tree().with_overrides(override)))
    assert policy.requests == []
