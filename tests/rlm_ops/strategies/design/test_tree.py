from __future__ import annotations

from tests.rlm_ops.strategies.design.playing import grown, of, play, scored
from tests.support.drive import apply_pure, started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.tree import DesignMCTS


def test_a_design_is_edited_and_its_value_backed_up() -> None:
    strategy = DesignMCTS(initial=2, width=2, c=0.0)
    history = started(strategy)
    live = history.live
    assert strategy.ask(live, 4) == [Call("generate", (0,), 0), Call("generate", (0,), 1)]
    for index, value in enumerate((0.4, 0.6)):
        history.tell(grown(Call("generate", (0,), index), f"first {index}"))
        history.tell(scored(Call("evaluate", (index + 1,)), (value,)))
        apply_pure(history, [Call("backpropagate", (index + 1,))])
    assert strategy.ask(live, 4) == [Call("refine", (2,), 0)]
    history.tell(grown(Call("refine", (2,), 0), "edit"))
    history.tell(scored(Call("evaluate", (3,)), (0.1,)))
    apply_pure(history, strategy.ask(live, 4))
    assert live.mean(2) == 0.35
    assert strategy.ask(live, 4) == [Call("refine", (1,), 0)], "the mean of the other line has fallen below"


def test_exploration_turns_to_what_was_seldom_visited() -> None:
    def worth(design: str, call: Call) -> tuple[float, ...]:
        return (0.52,) if design == "0" else (0.5,)

    def propose(call: Call, live: object) -> str:
        return str(call.index) if call.op == "generate" else f"edit {call.nodes} {call.index}"

    greedy, _ = play(DesignMCTS(initial=2, iterations=6, width=8, c=0.0), worth, propose)
    curious, _ = play(DesignMCTS(initial=2, iterations=6, width=8, c=2.0), worth, propose)
    assert not greedy.live.children[2]
    assert curious.live.children[2]


def test_width_and_depth_bound_the_tree() -> None:
    strategy = DesignMCTS(iterations=30, width=2, depth=3)
    history, asked = play(strategy, lambda design, call: (0.5,), lambda call, live: str(len(live)))
    assert len(of(asked, "refine")) == 2 + 4
    assert max(history.live.depth) == 3
