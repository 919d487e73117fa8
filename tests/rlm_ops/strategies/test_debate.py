"""A debate: an independent first round, then each agent reads its own message and the others'; the last one votes."""

from __future__ import annotations

from random import Random

import pytest
from tests.rlm_ops.strategies.test_team import land, play
from tests.support.drive import drive, started

from reflectree.graphs.answering import candidates
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.selection import select
from reflectree.rlm_ops.strategies.debate import Debate
from reflectree.rlm_ops.strategies.members import Member


def test_the_first_round_is_independent_and_the_next_reads_its_own_first() -> None:
    strategy = Debate(agents=3, rounds=2)
    history = started(strategy)
    first = strategy.ask(history.live, 8)
    assert first == [Call("generate", (0,), number) for number in range(3)]
    assert [call.how for call in first] == ["agent-1", "agent-2", "agent-3"]
    for call in first:
        assert not [other for other in strategy.ask(history.live, 8) if other.op == "aggregate"]
        land(history, call)
    second = strategy.ask(history.live, 8)
    assert [(call.nodes, call.how) for call in second] == [
        ((1, 2, 3), "agent-1"),
        ((2, 1, 3), "agent-2"),
        ((3, 1, 2), "agent-3"),
    ]
    for call in second:
        land(history, call)
    (call,) = strategy.ask(history.live, 8)
    assert (call.op, call.nodes, call.reason) == ("prune", (1, 2, 3), "superseded")


def test_the_last_round_votes() -> None:
    history, asked = play(Debate(agents=2, rounds=3))
    assert len(asked) == 6
    assert asked[-1] == "agent-2.3 aggregate 4,3"
    assert list(history.live.terminals) == [5, 6]


def test_a_round_that_a_cap_cuts_leaves_each_agent_its_last_word() -> None:
    history, asked = play(Debate(agents=3, rounds=2, turns=4))
    assert asked[-1] == "agent-1.2 aggregate 1,2,3"
    assert list(history.live.terminals) == [2, 3, 4], "two have not read, and one has"
    history, _ = play(Debate(agents=3, rounds=2, turns=2))
    assert list(history.live.terminals) == [1, 2]


def test_a_tie_goes_to_the_older_message() -> None:
    strategy = Debate(agents=2, rounds=2)
    history = started(strategy)
    for answer in ("40", "41", "41", "40"):
        land(history, strategy.ask(history.live, 1)[0], answer=answer)
    chosen = select("majority", candidates(history.live)[-2:])
    assert chosen is not None
    assert (chosen.node, chosen.answer, chosen.score) == (3, "41", 0.5)


def test_an_agent_that_failed_joins_in_again() -> None:
    history, asked = play(Debate(agents=3, rounds=2), fails=("agent-1.1", "agent-3.2"))
    assert asked[3:] == ["agent-1.2 aggregate 1,2", "agent-2.2 aggregate 1,2", "agent-3.2 aggregate 2,1"]
    assert list(history.live.terminals) == [3, 4]


def test_two_agents_that_read_the_same_after_failures_are_still_two() -> None:
    strategy = Debate(agents=3, rounds=2)
    history = started(strategy)
    for number, call in enumerate(strategy.ask(history.live, 8)):
        land(history, call, fails=number < 2)
    calls = strategy.ask(history.live, 8)
    assert [(call.nodes, call.index, call.how) for call in calls] == [
        ((1,), 3, "agent-1"),
        ((1,), 4, "agent-2"),
        ((1,), 5, "agent-3"),
    ]
    land(history, calls[2])
    land(history, calls[0], fails=True)
    standing = strategy.standing(history.live)
    assert standing.messages == {"agent-3.1": 1, "agent-3.2": 2}
    assert [call.how for call in standing.ready] == ["agent-2"]


def test_its_members_are_data_and_its_variants_may_be_defined_or_not() -> None:
    assert Debate(agents=2, rounds=2).team()[3] == Member(
        id="agent-2.2", variant="agent-2", reads=("agent-2.1", "agent-1.1")
    )
    assert Debate().variants() == ()
    with pytest.raises(BadInput, match="at most 64"):
        Blueprint.parse({"name": "x", "scheme": {"structure": "dag", "strategy": {"name": "debate", "agents": 33}}})


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    random = Random(seed)
    strategy = Debate(agents=random.randrange(2, 6), rounds=random.randrange(1, 4))
    live = drive(strategy, random).live
    standing = strategy.standing(live)
    assert set(standing.messages) | standing.silent == {member.id for member in strategy.team()}
    assert len(live.terminals) <= strategy.agents * strategy.rounds
