from __future__ import annotations

from tests.rlm_ops.strategies.design.playing import grown, of, play, scored
from tests.support.drive import apply_pure, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.strategies.design.gepa import GEPA
from reflectree.rlm_ops.structure import ReasoningStructure


def backed(strategy: GEPA, history: History) -> None:
    """Apply the pure calls that are due."""
    calls = strategy.ask(history.live, 4)
    while calls and calls[0].op in ("backpropagate", "prune"):
        apply_pure(history, calls)
        calls = strategy.ask(history.live, 4)


def begun(strategy: GEPA) -> History:
    """A pool that holds the seed, worth 1, 0, 0, 0."""
    history = started(strategy)
    assert strategy.ask(history.live, 4) == [Call("generate", (0,))]
    history.tell(grown(Call("generate", (0,)), "seed"))
    assert strategy.ask(history.live, 4) == [Call("evaluate", (1,))]
    history.tell(scored(Call("evaluate", (1,)), (1.0, 0.0, 0.0, 0.0)))
    backed(strategy, history)
    return history


def ask(strategy: GEPA, history: History) -> Call:
    (call,) = strategy.ask(history.live, 4)
    return call


def test_an_iteration_in_the_paper_s_order() -> None:
    strategy = GEPA(iterations=2)
    history = begun(strategy)
    first = ask(strategy, history)
    assert (first, first.how) == (Call("evaluate", (1,), 1), "minibatch:1")
    history.tell(scored(first, (0.0, 1.0, 0.0)))
    edit = ask(strategy, history)
    assert (edit, edit.how) == (Call("refine", (1,), 0), "round-1")
    history.tell(grown(edit, "child"))
    trial = ask(strategy, history)
    assert (trial, trial.how) == (Call("evaluate", (2,), 1), "minibatch:1")
    history.tell(scored(trial, (0.0, 1.0, 1.0)))
    whole = ask(strategy, history)
    assert (whole, whole.how) == (Call("evaluate", (2,)), "")
    history.tell(scored(whole, (0.0, 1.0, 1.0, 0.0)))
    backed(strategy, history)
    second = ask(strategy, history)
    assert (second.index, second.how) == (2, "minibatch:2")


def test_a_child_whose_sum_is_the_same_is_pruned_unmeasured() -> None:
    strategy = GEPA(iterations=1)
    history = begun(strategy)
    history.tell(scored(ask(strategy, history), (0.0, 1.0)))
    history.tell(grown(ask(strategy, history), "child"))
    history.tell(scored(ask(strategy, history), (1.0, 0.0)))
    call = ask(strategy, history)
    assert (call, call.reason) == (Call("prune", (2,)), "no better than its parent on the minibatch")
    apply_pure(history, [call])
    assert strategy.ask(history.live, 4) == []
    assert not history.live.evaluations[2]


def test_acceptance_with_uncertainty_wants_more_than_a_higher_sum() -> None:
    parent, little, clear = (0.0,) * 8, (0.1,) + (0.0,) * 7, (1.0,) * 6 + (0.0,) * 2
    for scores, accepted in ((little, False), (clear, True)):
        strategy = GEPA(iterations=1, accept="paired", certainty=0.9)
        history = begun(strategy)
        history.tell(scored(ask(strategy, history), parent))
        history.tell(grown(ask(strategy, history), "child"))
        history.tell(scored(ask(strategy, history), scores))
        assert (ask(strategy, history).op == "evaluate") is accepted


def test_a_perfect_parent_is_not_edited_for_this_minibatch() -> None:
    strategy = GEPA(iterations=2)
    history = begun(strategy)
    history.tell(scored(ask(strategy, history), (1.0, 1.0)))
    assert ask(strategy, history).how == "minibatch:2"
    history = begun(strategy := GEPA(iterations=2, skip_perfect=False))
    history.tell(scored(ask(strategy, history), (1.0, 1.0)))
    assert ask(strategy, history).op == "refine"


def test_measurements_that_fail_end_the_iteration_only() -> None:
    strategy = GEPA(iterations=3)
    history = begun(strategy)
    lost = ask(strategy, history)
    history.tell(Failed(of="evaluate", nodes=(1,), index=1, how=lost.how, aside=True))
    assert history.live.steps[1].status == "terminal"
    again = ask(strategy, history)
    assert again.how == "minibatch:2"
    history.tell(scored(again, (0.0, 0.0)))
    history.tell(grown(ask(strategy, history), "child"))
    trial = ask(strategy, history)
    history.tell(Failed(of="evaluate", nodes=(2,), index=2, how=trial.how, aside=True))
    call = ask(strategy, history)
    assert (call.op, call.reason) == ("prune", "it could not be measured on the minibatch")
    apply_pure(history, [call])
    third = ask(strategy, history)
    history.tell(scored(third, (0.0, 0.0)))
    edit = ask(strategy, history)
    history.tell(Failed(of="refine", nodes=(1,), index=edit.index, how=edit.how))
    assert strategy.ask(history.live, 4) == []


def test_parents_are_drawn_from_the_front_only() -> None:
    """The card's four designs: only B and C, which lead two examples each, become parents."""
    rows = {"a": (1, 0, 1, 0), "b": (0, 1, 1, 0), "c": (1, 0, 0, 1), "d": (1, 0, 0, 0)}

    def worth(design: str, call: Call) -> tuple[float, ...]:
        return (0.5, 0.5) if call.how else tuple(float(score) for score in rows[design])

    def propose(call: Call, live: ReasoningStructure) -> str:
        return "abcd"[call.index] if call.op == "generate" else f"child {len(live)}"

    parents = set()
    for seed in range(6):
        _, asked = play(GEPA(initial=4, iterations=8), worth, propose, seed=seed)
        parents |= {call.nodes[0] for call in of(asked, "refine")}
    assert parents == {2, 3}
    _, asked = play(GEPA(initial=4, iterations=3, selector="best"), worth, propose)
    assert {call.nodes[0] for call in of(asked, "refine")} == {1}


def test_merges_are_off_and_bounded_when_on() -> None:
    def worth(design: str, call: Call) -> tuple[float, ...]:
        number = 0 if design == "seed" else int(design)
        return (float(number),) if call.how else tuple(float(i == number % 4) * 0.9 for i in range(4))

    def propose(call: Call, live: ReasoningStructure) -> str:
        return "seed" if call.op == "generate" else str(len(live))

    _, asked = play(GEPA(iterations=6), worth, propose)
    assert not of(asked, "aggregate")
    assert "aggregate" not in GEPA().uses()
    history, asked = play(GEPA(iterations=6, merges=2), worth, propose)
    assert len(of(asked, "aggregate")) == 2
    for call in of(asked, "aggregate"):
        first, second = call.nodes
        assert first not in history.live.ancestors(second)


def test_several_proposals_share_a_parent_and_a_minibatch() -> None:
    strategy = GEPA(iterations=1, proposals=3)
    history = begun(strategy)
    history.tell(scored(ask(strategy, history), (0.0,)))
    calls = strategy.ask(history.live, 4)
    assert calls == [Call("refine", (1,), index) for index in range(3)]
    for number, call in enumerate(calls):
        history.tell(grown(call, f"child {number}"))
    trials = strategy.ask(history.live, 4)
    assert [(call.nodes, call.how) for call in trials] == [((n,), "minibatch:1") for n in (2, 3, 4)]
