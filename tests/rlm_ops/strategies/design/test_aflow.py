from __future__ import annotations

from collections import Counter

import pytest
from tests.rlm_ops.strategies.design.playing import grown, of, play, scored
from tests.support.drive import apply_pure, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.aflow import AFlow
from reflectree.rlm_ops.structure import ReasoningStructure


def pool(strategy: AFlow, values: list[float], seed: int = 0) -> History:
    """The first design, and edits of it, all measured."""
    history = started(strategy, seed)
    for number, value in enumerate(values):
        call = Call("refine", (1,), number - 1) if number else Call("generate", (0,))
        history.tell(grown(call, f"design {number}"))
        history.tell(scored(Call("evaluate", (number + 1,)), (value,)))
        apply_pure(history, [Call("backpropagate", (number + 1,))])
    return history


def test_the_first_design_is_always_among_the_parents() -> None:
    strategy = AFlow(top=3)
    live = pool(strategy, [0.1, 0.5, 0.6, 0.4, 0.7]).live
    assert strategy.rivals(live, [1, 2, 3, 4, 5]) == [5, 3, 1]
    assert AFlow(top=1).rivals(live, [1, 2, 3, 4, 5]) == [1]


def test_parents_are_drawn_by_the_soft_mixture() -> None:
    """Scores .6, .5, .4: .707, .182, .111."""
    strategy, counts = AFlow(), Counter[int]()
    for seed in range(600):
        (call,) = strategy.ask(pool(strategy, [0.6, 0.5, 0.4], seed).live, 4)
        assert call.op == "refine"
        counts[call.nodes[0]] += 1
    assert [counts[node] / 600 for node in (1, 2, 3)] == pytest.approx([0.707, 0.182, 0.111], abs=0.06)


def test_one_edit_a_round_until_the_rounds_are_used() -> None:
    def worth(design: str, call: Call) -> tuple[float, ...]:
        return (int(design) / 100,)

    def propose(call: Call, live: ReasoningStructure) -> str:
        return str(len(live))

    history, asked = play(AFlow(rounds=5), worth, propose)
    assert [call.op for call in asked] == ["generate", "evaluate", *["refine", "evaluate"] * 5]
    assert len(history.live) == 7
    assert not of(play(AFlow(rounds=0), worth, propose)[1], "refine")


def test_it_ends_when_the_mean_of_the_best_has_stood() -> None:
    values = iter([0.5, 0.6, 0.4, *[0.1] * 30])
    known: dict[str, float] = {}

    def worth(design: str, call: Call) -> tuple[float, ...]:
        return (known.setdefault(design, next(values)),)

    history, asked = play(AFlow(rounds=20, patience=5), worth, lambda call, live: str(len(live)))
    assert AFlow(rounds=20, patience=5).stop(history.live) == "converged"
    assert len(of(asked, "refine")) == 7, "two edits fill the best three, five more change nothing"
    values = iter([0.5, 0.6, 0.4, *[0.1] * 30])
    known.clear()
    _, asked = play(AFlow(rounds=20, patience=None), worth, lambda call, live: str(len(live)))
    assert len(of(asked, "refine")) == 20


def test_rounds_may_overlap() -> None:
    strategy = AFlow(parallel=2, patience=None)
    history = pool(strategy, [0.5])
    first = strategy.ask(history.live, 4)
    assert first == [Call("refine", (1,), 0)]
    history.begin(first[0])
    assert strategy.ask(history.live, 4) == [Call("refine", (1,), 1)]
    assert AFlow().ask(history.live, 4) == []
