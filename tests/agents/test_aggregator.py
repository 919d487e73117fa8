from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.event_strategies import History
from tests.support.virtual_time import run_virtually

from reflectree.agents.aggregator import Aggregator
from reflectree.agents.base import Agent, AgentRun
from reflectree.models.base import Choice
from reflectree.models.calling import Caller, Retries
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BudgetRefused, ModelRejected, TransientModelError
from reflectree.rlm_ops.events import Failed, Grown
from reflectree.rlm_ops.settings import Aggregate
from reflectree.rlm_ops.step import Granularity


def forked() -> History:
    history = History(3, 3, 5)
    for parent, text in ((0, "a"), (1, "b"), (1, "c")):
        index = history.live.next_index("generate", (parent,))
        history.tell(Grown(nodes=(parent,), index=index, text=text))
    return history


def merged(
    replies: list[Any],
    nodes: tuple[int, ...] = (2, 3),
    granularity: Granularity = "step",
    budget: Budget | None = None,
    how: str = "",
    **settings: Any,
) -> tuple[Any, ScriptedPolicy, History]:
    policy, history = ScriptedPolicy(replies), forked()
    caller = Caller(policy, Ledger(budget or Budget()), Retries(2, 0.01, 0.01))
    run = cast(AgentRun, SimpleNamespace(structure=history.live, seed=0, caller=lambda role: caller))
    agent = Aggregator(Aggregate(**settings), granularity, {"policy": policy})
    (event,) = run_virtually(agent.carry_out([Call("aggregate", nodes, how=how)], run))
    return event, policy, history


def test_it_is_an_agent() -> None:
    agent: Agent = Aggregator(Aggregate(), "step", {})
    assert (agent.name, agent.op, agent.local) == ("aggregator", "aggregate", False)
    assert agent.groups([Call("aggregate", (1, 2))]) == [[Call("aggregate", (1, 2))]]
    with pytest.raises(TypeError, match="not local"):
        agent.act(Call("aggregate", (1, 2)), cast(AgentRun, None))


def test_a_merge_stands_after_what_its_parents_share() -> None:
    event, policy, history = merged(["b and c"])
    assert isinstance(event, Grown)
    assert (event.op, event.nodes, event.after, event.text) == ("aggregate", (2, 3), 1, "b and c")
    assert (event.status, event.granularity, event.usage.calls) == ("open", "step", 1)
    asked = policy.requests[0].messages[-1].content
    assert "<before>\na\n</before>\n\n<piece-1>\nb\n</piece-1>\n\n<piece-2>\nc\n</piece-2>" in asked
    history.tell(event)
    assert history.live.path(4).text == "a\nb and c"
    assert history.live.joined == {3: [4]}


def test_a_whole_merge_gives_an_answer() -> None:
    event, policy, _ = merged(["So.\nAnswer: 42\nmore"], granularity="solution", prompt="consensus")
    assert (event.text, event.status, event.answer, event.granularity) == (
        "So.\nAnswer: 42",
        "terminal",
        "42",
        "solution",
    )
    assert "what the pieces agree on" in policy.requests[0].messages[-1].content


def test_a_variant_asks_for_another_merge() -> None:
    event, policy, _ = merged(["bc"], how="all", variants={"all": {"prompt": "merge", "max_tokens": 9, "top_p": 0.9}})
    assert event.how == "all"
    assert (policy.requests[0].max_tokens, policy.requests[0].top_p) == (9, 0.9)
    assert "leave nothing out" in policy.requests[0].messages[-1].content


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ((2,), "a merge takes at least two nodes"),
        ((2, 2), "a merge takes distinct nodes"),
        ((1, 2), "node 2 contains node 1 already: there is nothing to merge"),
    ],
)
def test_what_cannot_be_merged_is_not_paid_for(nodes: tuple[int, ...], reason: str) -> None:
    event, policy, _ = merged([], nodes)
    assert event == Failed(of="aggregate", nodes=nodes, reason=reason)
    assert policy.requests == []


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Choice("", "length"), "the merge is empty: hidden reasoning used up max_tokens"),
        (Choice("no", "filter"), "the merge was refused by the provider's filter"),
        (Choice("half", "length"), "the merge was cut at max_tokens"),
        (TransientModelError("503"), "503"),
    ],
)
def test_replies_that_cannot_be_used_fail_the_call_with_its_bill(reply: Any, reason: str) -> None:
    event, _, _ = merged([reply, reply])
    assert (event.reason, event.usage.calls) == (reason, 2)


def test_refusals_go_up() -> None:
    with pytest.raises(BudgetRefused):
        merged(["never"], budget=Budget(calls=0))
    with pytest.raises(ModelRejected):
        merged([ModelRejected("401", 401)])
