from __future__ import annotations

from random import Random

import pytest
from tests.rlm_ops.strategies.design.playing import design_outcome, grown, of, play, scored, sound_outcome
from tests.support.drive import any_outcome, drive, started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.strategies.base import Strategy
from reflectree.rlm_ops.strategies.design.adas import ADAS
from reflectree.rlm_ops.strategies.design.aflow import AFlow
from reflectree.rlm_ops.strategies.design.agentsquare import AgentSquare
from reflectree.rlm_ops.strategies.design.base import best_of, measured, tournament, tried
from reflectree.rlm_ops.strategies.design.evolution import Evolution
from reflectree.rlm_ops.strategies.design.evomac import EvoMAC
from reflectree.rlm_ops.strategies.design.gepa import GEPA
from reflectree.rlm_ops.strategies.design.gptswarm import GPTSwarm
from reflectree.rlm_ops.strategies.design.mipro import MIPRO
from reflectree.rlm_ops.strategies.design.tree import DesignMCTS

EVERY: list[Strategy] = [
    GEPA(iterations=6),
    GEPA(iterations=8, proposals=2, accept="paired", merges=2, selector="best"),
    AFlow(rounds=8),
    AFlow(rounds=8, patience=None, parallel=3),
    ADAS(initial=3, generations=6),
    Evolution(children=10),
    EvoMAC(rounds=6),
    EvoMAC(rounds=6, follow="best", patience=1),
    AgentSquare(rounds=3, evolve=2, recombine=3),
    AgentSquare(rounds=3, evolve=2, recombine=0),
    GPTSwarm(iterations=4),
    MIPRO(candidates=6),
    DesignMCTS(iterations=12, width=2, depth=3, initial=2),
    DesignMCTS(iterations=12, parallel=3),
]


@pytest.mark.parametrize("strategy", EVERY, ids=lambda strategy: strategy.name)
def test_whatever_happens_it_asks_once_and_ends(strategy: Strategy) -> None:
    for seed in range(20):
        for outcome in (design_outcome, any_outcome):
            live = drive(strategy, Random(seed), outcome=outcome, most=400).live
            assert live.calls_in_flight == 0
    live = drive(strategy, Random(1), outcome=sound_outcome).live
    assert live.terminals
    assert all(live.visits[node] for node in live.terminals), "what is an answer has been measured"


@pytest.mark.parametrize("strategy", EVERY, ids=lambda strategy: strategy.name)
def test_a_search_in_which_everything_fails_ends(strategy: Strategy) -> None:
    def fail(call: Call, *_: object) -> Failed:
        return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how)

    live = drive(strategy, Random(0), outcome=fail, most=100).live
    assert not live.terminals


@pytest.mark.parametrize("strategy", EVERY, ids=lambda strategy: strategy.name)
def test_a_design_without_measurable_children_ends(strategy: Strategy) -> None:
    def outcome(call: Call, structure: object, random: Random) -> object:
        if call.op == "evaluate" and call.nodes[0] != 1:
            return Failed(of="evaluate", nodes=call.nodes, index=call.index, how=call.how)
        return sound_outcome(call, structure, random)  # type: ignore[arg-type]

    live = drive(strategy, Random(0), outcome=outcome, most=400).live  # type: ignore[arg-type]
    assert list(live.terminals) == [1]


def test_a_design_that_repeats_another_is_pruned_and_never_paid() -> None:
    history, asked = play(AFlow(rounds=3, patience=None), lambda design, call: (0.5,), lambda call, live: "same")
    assert [call.nodes for call in of(asked, "evaluate")] == [(1,)]
    assert [step.status for step in history.live.steps[2:]] == ["pruned"] * 3


def test_a_seed_that_cannot_be_measured_is_made_up_for() -> None:
    strategy = AFlow()
    history = started(strategy)
    for index in range(3):
        (call,) = strategy.ask(history.live, 4)
        assert call == Call("generate", (0,), index)
        history.tell(grown(call, f"design {index}"))
        history.tell(Failed(of="evaluate", nodes=(index + 1,)))
    assert strategy.ask(history.live, 4) == []


def test_helpers() -> None:
    strategy = AFlow()
    history = started(strategy)
    for index, value in enumerate((0.25, 0.75, 0.75, 0.5)):
        history.tell(grown(Call("generate", (0,), index), str(index)))
        history.tell(scored(Call("evaluate", (index + 1,)), (value,)))
    live = history.live
    assert measured(live) == [1, 2, 3, 4]
    assert best_of(live, measured(live)) == 2
    assert sorted(tournament(live, measured(live), 2, 9, Random(0))) == [2, 3]
    assert len(tournament(live, [1, 2], 5, 1, Random(0))) == 2
    history.tell(Failed(of="refine", nodes=(1,)))
    history.tell(grown(Call("refine", (1,), 1), "edit"))
    assert tried(live, "refine") == 2
