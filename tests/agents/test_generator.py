from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine import Oracle
from tests.support.event_strategies import History
from tests.support.virtual_time import run_virtually

from reflectree.agents.base import Agent, AgentRun
from reflectree.agents.generator import Generator
from reflectree.models.base import Choice, Request
from reflectree.models.calling import Caller, Retries
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BudgetRefused, ModelRejected, TransientModelError
from reflectree.rlm_ops.events import Failed, Grown
from reflectree.rlm_ops.step import Granularity
from reflectree.rlm_ops.usage import Usage


def generator(policy: Oracle | None = None, granularity: Granularity = "step", **settings: Any) -> Generator:
    return Generator(Generate(**settings), granularity, {"policy": policy or Oracle()})


def samples(*indices: int, node: int = 0) -> list[Call]:
    return [Call("generate", (node,), index) for index in indices]


def carried_out(agent: Generator, calls: list[Call], budget: Budget | None = None) -> list[Any]:
    history = History(9, 9, 9)
    history.tell(Grown(nodes=(0,), index=8, text="first"))
    caller = Caller(agent.models["policy"], Ledger(budget or Budget()), Retries(2, 0.01, 0.01))
    run = cast(AgentRun, SimpleNamespace(structure=history.live, seed=3, caller=lambda role: caller))
    return run_virtually(agent.carry_out(calls, run))


def test_it_is_an_agent() -> None:
    agent: Agent = generator()
    assert (agent.name, agent.op, agent.local) == ("generator", "generate", False)
    with pytest.raises(TypeError, match="not local"):
        agent.act(samples(0)[0], cast(AgentRun, None))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), unique=True, max_size=20), st.integers(1, 4))
def test_siblings_are_grouped_up_to_what_one_request_takes(pairs: list[tuple[int, int]], max_n: int) -> None:
    calls = [Call("generate", (node,), index) for node, index in pairs]
    groups = generator(Oracle(max_n=max_n)).groups(calls)
    assert sorted((c.nodes, c.index) for g in groups for c in g) == sorted((c.nodes, c.index) for c in calls)
    assert all(1 <= len(group) <= max_n and len({call.nodes for call in group}) == 1 for group in groups)
    assert len(groups) == sum(-(-sum(n == node for n, _ in pairs) // max_n) for node in {n for n, _ in pairs})


def request_of(agent: Generator, calls: list[Call], live: Any = None) -> Request:
    live = live or History(9, 9, 9).live
    return agent.begin(agent.plan(calls[0].how), calls, live, 3)[0]


def test_the_request_says_all_that_the_settings_say() -> None:
    history = History(9, 9, 9)
    history.tell(Grown(nodes=(0,), index=8, text="a"))
    agent = generator(
        temperature=0.3, top_p=0.9, max_tokens=77, delimiter="\n\n", timeout=9.0, priors=True, granularity="step"
    )
    calls = samples(0, 1, node=1)
    request = request_of(agent, calls, history.live)
    assert (request.temperature, request.top_p, request.max_tokens) == (0.3, 0.9, 77)
    assert (request.stop, request.timeout, request.top_logprobs) == (("\n\n",), 9.0, 1)
    assert (request.n, request.seed, request.prefill) == (2, calls[0].seed(3), "a\n\n")
    assert request_of(generator(granularity="solution"), samples(0)).stop == ()
    assert request_of(generator(), samples(0)).top_logprobs == 0


def test_one_event_a_call_in_order_with_the_bill_on_the_first() -> None:
    policy = Oracle(max_n=3)
    events = carried_out(generator(policy), samples(0, 1, 2))
    assert [(event.nodes, event.index) for event in events] == [((0,), 0), ((0,), 1), ((0,), 2)]
    assert [event.usage.calls for event in events] == [1, 0, 0]
    assert policy.requests[0].seed == samples(0)[0].seed(3)


def test_an_answer_makes_a_terminal_and_ends_the_text() -> None:
    (event,) = carried_out(generator(Oracle(lambda r, n: " so \nAnswer: 42\nQuestion: next?\n")), samples(0))
    assert isinstance(event, Grown)
    assert (event.status, event.answer, event.text) == ("terminal", "42", "so \nAnswer: 42")


def test_a_step_below_another_is_asked_with_it_as_prefill() -> None:
    policy = Oracle()
    carried_out(generator(policy), samples(0, node=1))
    assert policy.requests[0].prefill == "first\n"


def test_a_step_ended_by_a_blank_line_is_begun_after_it() -> None:
    def say(request: Request, number: int) -> str:
        return "" if number == 0 else "a step"

    policy = Oracle(say)
    (event,) = carried_out(generator(policy), samples(0, node=1))
    assert policy.requests[1].prefill == "first\n\n"
    assert (event.text, event.usage.calls) == ("a step", 2)


def test_a_call_that_comes_to_nothing_is_a_failed_event_with_its_bill() -> None:
    events = carried_out(generator(Oracle(lambda r, n: TransientModelError("503 busy"))), samples(0))
    assert events == [Failed(of="generate", nodes=(0,), reason="503 busy", usage=Usage(2, 2))]


def test_refusals_of_the_budget_and_of_the_model_go_up() -> None:
    with pytest.raises(BudgetRefused):
        carried_out(generator(), samples(0), Budget(calls=0))
    with pytest.raises(ModelRejected):
        carried_out(generator(Oracle(lambda r, n: ModelRejected("401", 401))), samples(0))


@pytest.mark.parametrize(
    ("logprobs", "prior"), [((-0.5, -1.5), 0.36787944), ((0.0,), 1.0), ((3.0,), 1.0), ((-1e9,), 1e-12), ((), None)]
)
def test_a_prior_is_the_length_normalised_probability(logprobs: tuple[float, ...], prior: float | None) -> None:
    policy = Oracle(lambda r, n: Choice("a step", "stop", logprobs))
    (event,) = carried_out(generator(policy, priors=True), samples(0))
    assert event.prior == (None if prior is None else pytest.approx(prior))
