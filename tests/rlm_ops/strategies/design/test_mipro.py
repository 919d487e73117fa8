from __future__ import annotations

from collections import Counter

from tests.rlm_ops.strategies.design.playing import of, play

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.mipro import MIPRO
from reflectree.rlm_ops.structure import ReasoningStructure


def new(call: Call, live: ReasoningStructure) -> str:
    if call.op == "aggregate":
        return "+".join(live.steps[node].answer or "" for node in call.nodes)
    return f"{call.how or 'seed'}{call.index}"


def test_candidates_come_first_then_each_combination_once() -> None:
    strategy = MIPRO(candidates=6, parallel=1)
    _, asked = play(strategy, lambda design, call: (0.5,), new, slots=8)
    hows = [call.how for call in asked if call.op != "evaluate"]
    assert hows[:5] == ["", "instruction", "instruction", "demos", "demos"]
    pairs = [call.nodes for call in of(asked, "aggregate")]
    assert sorted(pairs) == [(2, 4), (2, 5), (3, 4), (3, 5)]


def test_the_number_of_trials_is_mipro_s() -> None:
    assert MIPRO(candidates=6, predictors=2).most_trials == 20
    assert MIPRO(candidates=12, predictors=2).most_trials == 28
    assert MIPRO(candidates=18, predictors=2).most_trials == 33
    _, asked = play(MIPRO(candidates=12, trials=3), lambda design, call: (0.5,), new, slots=8)
    assert len(of(asked, "aggregate")) == 3


def test_trials_turn_to_what_did_well() -> None:
    counts = Counter[str]()

    def worth(design: str, call: Call) -> tuple[float, ...]:
        return (0.9 if "instruction0" in design else 0.2,)

    for seed in range(12):
        history, asked = play(MIPRO(candidates=10, trials=4, parallel=1), worth, new, seed=seed)
        for call in of(asked, "aggregate"):
            counts[history.live.steps[call.nodes[0]].answer or ""] += 1
    assert counts["instruction0"] > 1.5 * max(count for name, count in counts.items() if name != "instruction0")
