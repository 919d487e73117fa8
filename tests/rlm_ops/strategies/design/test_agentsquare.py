from __future__ import annotations

from tests.rlm_ops.strategies.design.playing import of, play

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.agentsquare import AgentSquare
from reflectree.rlm_ops.structure import ReasoningStructure


def new(call: Call, live: ReasoningStructure) -> str:
    return str(len(live))


def worth(design: str, call: Call) -> tuple[float, ...]:
    number = int(design)
    return (1.0 - number / 100,) if call.how == "predict" else (0.3 + number / 1000,)


def test_a_round_evolves_recombines_predicts_and_tests_the_best() -> None:
    strategy = AgentSquare(rounds=1, evolve=3, recombine=2, test=1)
    history, asked = play(strategy, worth, new, slots=8)
    live = history.live
    assert [call.how for call in asked if call.op != "evaluate"] == ["", *["evolve"] * 3, *["recombine-1"] * 2]
    best = 4
    assert [call.nodes for call in of(asked, "aggregate")] == [(best, 3), (best, 2)]
    predicted = [call.nodes[0] for call in asked if call.how == "predict"]
    assert predicted == [5, 6]
    assert [live.steps[node].status for node in (5, 6)] == ["terminal", "pruned"], "5 was predicted to be better"
    assert live.evaluations[5] == 1
    assert live.evaluations[6] == 0


def test_with_one_slot_it_waits_for_all_predictions_of_a_round() -> None:
    strategy = AgentSquare(rounds=2, evolve=2, recombine=3, test=2)
    history, asked = play(strategy, worth, new, slots=1)
    live = history.live
    crossed = [node for node in range(len(live)) if live.ops[node] == "aggregate"]
    assert len(of(asked, "refine")) == 4
    assert len([call for call in asked if call.how == "predict"]) == len(crossed)
    assert sum(live.evaluations[node] for node in crossed if live.hows[node] == "recombine-1") <= 2


def test_without_recombination_it_only_evolves() -> None:
    _, asked = play(AgentSquare(rounds=2, evolve=2, recombine=0), worth, new)
    assert len(of(asked, "refine")) == 4
    assert not of(asked, "aggregate")
    assert list(AgentSquare(recombine=0).variants()) == []
    assert list(AgentSquare().variants()) == [("evaluate", "predict")]
