from __future__ import annotations

from tests.rlm_ops.strategies.design.playing import of, play

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.evolution import Evolution
from reflectree.rlm_ops.structure import ReasoningStructure


def new(call: Call, live: ReasoningStructure) -> str:
    return str(len(live))


def rising(design: str, call: Call) -> tuple[float, ...]:
    return (int(design) / 100,)


def test_children_are_bred_of_the_best() -> None:
    strategy = Evolution(initial=3, population=2, children=10, crossover=0.5, parallel=1)
    history, asked = play(strategy, rising, new)
    mutations, crossings = of(asked, "refine"), of(asked, "aggregate")
    assert len(mutations) + len(crossings) == 10
    assert mutations
    assert crossings
    assert {call.how for call in mutations} == {"mutate"}
    for call in crossings:
        first, second = call.nodes
        assert (history.live.value(first) or 0) < (history.live.value(second) or 0)
    assert 1 not in {node for call in (*mutations, *crossings) for node in call.nodes}, "two of three are parents"


def test_the_extremes_of_crossover() -> None:
    _, asked = play(Evolution(children=6, crossover=0.0), rising, new)
    assert not of(asked, "aggregate")
    _, asked = play(Evolution(children=6, crossover=1.0), rising, new)
    assert not of(asked, "refine")


def test_breedings_overlap_up_to_a_limit() -> None:
    _, asked = play(Evolution(initial=2, children=8, parallel=3), rising, new, slots=8)
    assert len(of(asked, "refine")) + len(of(asked, "aggregate")) == 8
