from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.engine import Oracle
from tests.support.event_strategies import History
from tests.support.virtual_time import run_virtually

from reflectree.agents import evaluators
from reflectree.agents.base import Agent, AgentRun
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.models.calling import Caller, Retries
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BudgetRefused, ModelRejected, TransientModelError
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.usage import Usage

CALL = Call("evaluate", (1,))


def a_run(policy: Oracle, budget: Budget | None = None) -> AgentRun:
    history = History(3, 3, 3)
    history.tell(Grown(nodes=(0,), text="a step"))
    caller = Caller(policy, Ledger(budget or Budget()), Retries(2, 0.01, 0.01))
    return cast(AgentRun, SimpleNamespace(structure=history.live, seed=0, caller=lambda role: caller))


def test_a_local_evaluator_acts_at_once() -> None:
    agent: Agent = EvaluatorAgent(evaluators.function(lambda path: len(path.steps) / 4))
    assert agent.local
    assert agent.act(CALL, a_run(Oracle())) == Evaluated(node=1, value=0.25, source="function")
    assert agent.groups([CALL, Call("evaluate", (2,))]) == [[CALL], [Call("evaluate", (2,))]]


def test_a_judge_is_carried_out_and_its_reason_noted() -> None:
    agent = EvaluatorAgent(evaluators.judge())
    assert not agent.local
    (event,) = run_virtually(agent.carry_out([CALL], a_run(Oracle(lambda r, n: '{"reason": "why", "score": 10}'))))
    assert isinstance(event, Evaluated)
    assert (event.value, event.source, event.note, event.usage.calls) == (0.99, "judge", "why", 1)


def boom(path: Any) -> float:
    raise KeyError("missing")


async def boom_later(path: Any) -> float:
    raise KeyError("missing")


def test_a_function_that_raises_fails_its_node() -> None:
    expected = Failed(of="evaluate", nodes=(1,), reason="KeyError: 'missing'")
    assert EvaluatorAgent(evaluators.function(boom)).act(CALL, a_run(Oracle())) == expected
    later = EvaluatorAgent(evaluators.function(boom_later))
    assert run_virtually(later.carry_out([CALL], a_run(Oracle()))) == [expected]


@pytest.mark.parametrize("passes", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_process_is_not_swallowed(passes: type[BaseException]) -> None:
    def stop(path: Any) -> float:
        raise passes

    with pytest.raises(passes):
        EvaluatorAgent(evaluators.function(stop)).act(CALL, a_run(Oracle()))


def test_faults_of_the_model_fail_the_node_with_their_bill() -> None:
    agent = EvaluatorAgent(evaluators.judge())
    (event,) = run_virtually(agent.carry_out([CALL], a_run(Oracle(lambda r, n: TransientModelError("503")))))
    assert event == Failed(of="evaluate", nodes=(1,), reason="503", usage=Usage(2, 2))


def test_refusals_go_up() -> None:
    agent = EvaluatorAgent(evaluators.judge())
    with pytest.raises(BudgetRefused):
        run_virtually(agent.carry_out([CALL], a_run(Oracle(), Budget(calls=0))))
    with pytest.raises(ModelRejected):
        run_virtually(agent.carry_out([CALL], a_run(Oracle(lambda r, n: ModelRejected("401", 401)))))
