from __future__ import annotations

from tests.rlm_ops.strategies.design.playing import of, play

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.evomac import EvoMAC
from reflectree.rlm_ops.structure import ReasoningStructure


def new(call: Call, live: ReasoningStructure) -> str:
    return str(len(live))


def falling(design: str, call: Call) -> tuple[float, ...]:
    return (1.0 / (int(design) + 1),)


def test_it_goes_on_from_the_latest_as_the_paper_does() -> None:
    _, asked = play(EvoMAC(rounds=3), falling, new)
    assert [(call.nodes, call.how) for call in of(asked, "refine")] == [((n,), "update") for n in (1, 2, 3)]


def test_it_goes_on_from_the_best_within_patience() -> None:
    _, asked = play(EvoMAC(rounds=5, follow="best", patience=2), falling, new)
    assert [call.nodes[0] for call in of(asked, "refine")] == [1, 1, 2, 2, 3]


def test_updates_that_make_nothing_new_fall_back_and_end() -> None:
    history, asked = play(EvoMAC(rounds=9, patience=2), falling, lambda call, live: "1")
    assert [call.nodes[0] for call in of(asked, "refine")] == [1, 1]
    assert list(history.live.terminals) == [1]
