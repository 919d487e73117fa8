"""A mixture of agents: each layer reads the whole layer before, and the aggregator's answer is the answer."""

from __future__ import annotations

from random import Random

import pytest
from tests.rlm_ops.strategies.test_team import land, play
from tests.support.drive import drive, started

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies.mixture_of_agents import MixtureOfAgents


def test_layers_follow_one_another_and_the_aggregator_answers() -> None:
    strategy = MixtureOfAgents(layers=3, proposers=2)
    history = started(strategy)
    first = strategy.ask(history.live, 8)
    assert [(call.op, call.nodes, call.how) for call in first] == [
        ("generate", (0,), "proposer-1"),
        ("generate", (0,), "proposer-2"),
    ]
    for call in first:
        land(history, call)
    second = strategy.ask(history.live, 8)
    assert second == [Call("aggregate", (1, 2), 2), Call("aggregate", (1, 2), 3)]
    assert [call.how for call in second] == ["proposer-1", "proposer-2"]
    for call in second:
        land(history, call)
    (call,) = strategy.ask(history.live, 8)
    assert (call.op, call.nodes) == ("prune", (1, 2))
    history, asked = play(strategy)
    assert asked[-1] == "aggregator aggregate 3,4"
    assert list(history.live.terminals) == [5]


def test_the_papers_mixture_is_nine_messages() -> None:
    _, asked = play(MixtureOfAgents())
    assert len(asked) == 4 + 4 + 1
    assert MixtureOfAgents().limits().depth == 3


def test_a_proposer_that_fails_is_missing_in_the_next_layer_and_no_more() -> None:
    _, asked = play(MixtureOfAgents(layers=3, proposers=3), fails=("proposer-2.1",))
    assert asked[3:] == [
        "proposer-1.2 aggregate 1,2",
        "proposer-2.2 aggregate 1,2",
        "proposer-3.2 aggregate 1,2",
        "aggregator aggregate 3,4,5",
    ]


def test_one_proposer_is_enough_and_none_is_not() -> None:
    history, asked = play(MixtureOfAgents(layers=2, proposers=2), fails=("proposer-1.1",))
    assert asked[-1] == "aggregator aggregate 1"
    assert list(history.live.terminals) == [2]
    history, asked = play(MixtureOfAgents(layers=2, proposers=2), fails=("proposer-1.1", "proposer-2.1"))
    assert len(asked) == 2
    assert not history.live.terminals


def test_where_the_aggregator_fails_the_last_layer_is_left() -> None:
    history, _ = play(MixtureOfAgents(layers=3, proposers=2), fails=("aggregator",))
    assert list(history.live.terminals) == [3, 4]


def test_it_has_its_bounds() -> None:
    with pytest.raises(BadInput, match="at most 64"):
        Blueprint.parse({"name": "x", "scheme": {"structure": "dag", "strategy": {"name": "moa", "proposers": 32}}})


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    random = Random(seed)
    strategy = MixtureOfAgents(layers=random.randrange(2, 5), proposers=random.randrange(1, 6))
    live = drive(strategy, random).live
    standing = strategy.standing(live)
    assert set(standing.messages) | standing.silent == {member.id for member in strategy.team()}
    if "aggregator" in standing.messages and live.steps[standing.messages["aggregator"]].answer is not None:
        assert list(live.terminals) == [standing.messages["aggregator"]]
