from __future__ import annotations

from typing import Any

import pytest
from tests.agents.evaluators.rig import a_run, always, says, step
from tests.support.virtual_time import run_virtually

from reflectree.agents import evaluators
from reflectree.agents.base import Agent
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelRejected, TransientModelError
from reflectree.rlm_ops.events import Evaluated, Failed
from reflectree.rlm_ops.usage import Usage

CALL = Call("evaluate", (1,))
PAIR = Call("evaluate", (1, 2))


class Values:
    """A value model: the longer, the better."""

    name = "values"

    async def score(self, paths: Any) -> list[float]:
        return [len(path.text) / 100 for path in paths]

    async def aclose(self) -> None:
        pass


def test_a_local_evaluator_acts_at_once() -> None:
    agent: Agent = EvaluatorAgent(evaluators.function(lambda path: len(path.steps) / 4))
    assert agent.local
    assert agent.act(CALL, a_run(always(""))) == Evaluated(node=1, value=0.25, source="function")
    assert agent.groups([CALL, Call("evaluate", (2,))]) == [[CALL], [Call("evaluate", (2,))]]


def test_a_judge_is_carried_out_and_its_reason_noted() -> None:
    agent = EvaluatorAgent(evaluators.judge())
    assert not agent.local
    (event,) = run_virtually(agent.carry_out([CALL], a_run(always('{"reason": "why", "score": 10}'))))
    assert isinstance(event, Evaluated)
    assert (event.value, event.source, event.note, event.usage.calls) == (0.99, "judge", "why", 1)


def boom(path: Any) -> float:
    raise KeyError("missing")


async def boom_later(path: Any) -> float:
    raise KeyError("missing")


def test_a_function_that_raises_fails_its_node() -> None:
    expected = Failed(of="evaluate", nodes=(1,), reason="KeyError: 'missing'")
    assert EvaluatorAgent(evaluators.function(boom)).act(CALL, a_run(always(""))) == expected
    later = EvaluatorAgent(evaluators.function(boom_later))
    assert run_virtually(later.carry_out([CALL], a_run(always("")))) == [expected]


@pytest.mark.parametrize("passes", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_process_is_not_swallowed(passes: type[BaseException]) -> None:
    def stop(path: Any) -> float:
        raise passes

    with pytest.raises(passes):
        EvaluatorAgent(evaluators.function(stop)).act(CALL, a_run(always("")))


def test_faults_of_the_model_fail_the_node_with_their_bill() -> None:
    agent = EvaluatorAgent(evaluators.judge())
    fault = TransientModelError("503")
    (event,) = run_virtually(agent.carry_out([CALL], a_run(says(fault, fault))))
    assert event == Failed(of="evaluate", nodes=(1,), reason="503", usage=Usage(2, 2))


def test_a_group_that_fails_is_billed_once() -> None:
    fault = TransientModelError("503")
    calls = [Call("evaluate", (node,), 0, "best") for node in (1, 2)]
    agent = EvaluatorAgent({"": evaluators.judge(), "best": evaluators.vote()})
    assert run_virtually(agent.carry_out(calls, a_run(says(fault, fault)))) == [
        Failed(of="evaluate", nodes=(1,), how="best", reason="503", usage=Usage(2, 2)),
        Failed(of="evaluate", nodes=(2,), how="best", reason="503"),
    ]


def test_refusals_go_up() -> None:
    agent = EvaluatorAgent(evaluators.judge())
    with pytest.raises(BudgetRefused):
        run_virtually(agent.carry_out([CALL], a_run(always(""), budget=Budget(calls=0))))
    with pytest.raises(ModelRejected):
        run_virtually(agent.carry_out([CALL], a_run(says(ModelRejected("401", 401)))))


def test_the_variant_scores_and_an_unknown_one_is_the_plain_one() -> None:
    agent = EvaluatorAgent({"": evaluators.function(lambda path: 0.25), "other": evaluators.function(lambda path: 0.5)})
    run = a_run(always(""))
    assert agent.local
    assert [agent.act(Call("evaluate", (1,), 0, how), run) for how in ("", "other", "label")] == [
        Evaluated(node=1, value=0.25, source="function"),
        Evaluated(node=1, value=0.5, source="function", how="other"),
        Evaluated(node=1, value=0.25, source="function", how="label"),
    ]


def test_an_agent_with_a_model_is_not_local_and_still_scores_at_once_what_is() -> None:
    agent = EvaluatorAgent({"": evaluators.judge(), "length": evaluators.function(lambda path: 0.5)})
    policy = always("Score: 1")
    assert not agent.local
    (event,) = run_virtually(agent.carry_out([Call("evaluate", (1,), 0, "length")], a_run(policy)))
    assert event == Evaluated(node=1, value=0.5, source="function", how="length")
    assert policy.requests == []


def test_only_what_scores_together_is_grouped() -> None:
    agent = EvaluatorAgent({"": evaluators.value(Values()), "vote": evaluators.vote(), "judge": evaluators.judge()})
    hows = ("vote", "", "judge", "vote", "label", "judge", "")
    calls = [Call("evaluate", (node,), 0, how) for node, how in enumerate(hows, start=1)]
    groups = agent.groups([*calls, PAIR])
    assert [[call.nodes for call in group] for group in groups] == [
        [(1,), (4,)],
        [(2,), (5,), (7,)],
        [(3,)],
        [(6,)],
        [(1, 2)],
    ]


def test_a_plain_evaluator_must_be_there() -> None:
    with pytest.raises(BadInput, match="plain"):
        EvaluatorAgent({"vote": evaluators.vote()})


def test_two_nodes_are_compared_by_their_scores_where_the_evaluator_does_not_compare() -> None:
    local = EvaluatorAgent(evaluators.function(lambda path: 0.9 if path.answer else 0.1))
    event = local.act(Call("evaluate", (2, 1)), a_run(always("")))
    assert isinstance(event, Evaluated)
    assert (event.node, event.against, event.note) == (2, 1, "0.90 against 0.10")
    assert event.value == pytest.approx(0.9)
    judge = EvaluatorAgent(evaluators.judge())
    (event,) = run_virtually(judge.carry_out([PAIR], a_run(says("Score: 10", "Score: 1"))))
    assert isinstance(event, Evaluated)
    assert event.value == pytest.approx(0.995)
    assert (event.against, event.usage.calls) == (2, 2)


def test_scores_the_structure_knows_are_not_asked_for_again() -> None:
    judge = EvaluatorAgent(evaluators.judge())
    run = a_run(says("Score: 1"), step("a"), step("b"), Evaluated(node=1, value=0.4))
    (event,) = run_virtually(judge.carry_out([PAIR], run))
    assert isinstance(event, Evaluated)
    assert event.value == pytest.approx(0.7)
    assert event.usage.calls == 1


def test_half_a_comparison_by_scores_is_paid() -> None:
    judge = EvaluatorAgent(evaluators.judge())
    (event,) = run_virtually(judge.carry_out([PAIR], a_run(always("Score: 3"), budget=Budget(calls=1))))
    assert isinstance(event, Failed)
    assert (event.nodes, event.usage.calls) == ((1, 2), 1)
