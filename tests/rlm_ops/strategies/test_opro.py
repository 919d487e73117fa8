"""Optimisation by prompting: steps of new candidates from the best so far, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from tests.support.drive import PAID, apply_pure, drive, good_outcome, land, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.opro import Opro
from reflectree.rlm_ops.structure import ReasoningStructure

Say = Callable[[Call, int], str | None]


def play(strategy: Opro, say: Say, *, slots: int = 8, most: int = 400) -> tuple[History, list[str]]:
    """Carry out a search without delays.

    `say` gives the candidate of a call and the node's id to be, which is a number and its value; `None` fails.
    """

    def outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        if call.op == "evaluate":
            return Evaluated(node=call.nodes[0], value=float(structure.steps[call.nodes[0]].answer or 0), usage=PAID)
        words = say(call, len(structure))
        if words is None:
            return Failed(of=call.op, nodes=call.nodes, index=call.index, usage=PAID)
        return Grown(
            op=call.op,  # type: ignore[arg-type]
            nodes=call.nodes,
            index=call.index,
            text=f"Answer: {words}",
            status="terminal" if words else "open",
            answer=words or None,
            after=0 if call.op == "aggregate" else -1,
            usage=PAID,
        )

    history, asked = started(strategy), list[str]()
    while len(asked) < most and strategy.stop(history.live) is None:
        calls = strategy.ask(history.live, slots - len(history.flying))
        if calls and calls[0].op in PURE:
            asked += [f"prune {call.nodes[0]}: {call.reason}" for call in calls]
            apply_pure(history, calls)
            continue
        for call in calls:
            asked.append(f"{call.op} {','.join(map(str, call.nodes))} #{call.index}")
            history.begin(call)
        if not calls:
            if not history.flying:
                break
            land(history, Random(0), outcome)
    return history, asked


def improving(call: Call, node: int) -> str:
    """The node's number, as a small value."""
    return str(node / 10_000)


def test_starts_then_steps_that_show_the_best_in_ascending_order() -> None:
    strategy = Opro(starts=3, per_step=2, shown=3, steps=2)
    values = {1: "0.5", 2: "0.1", 3: "0.3", 4: "0.05", 5: "0.9"}
    history, asked = play(strategy, lambda call, node: values.get(node, "0.2"))
    grown = [call for call in asked if not call.startswith("evaluate")]
    assert grown[:3] == ["generate 0 #0", "generate 0 #1", "generate 0 #2"]
    assert grown[3:5] == ["aggregate 2,3,1 #0", "aggregate 2,3,1 #1"], "ascending by value, the best last"
    assert grown[5:7] == ["aggregate 3,1,5 #0", "aggregate 3,1,5 #1"], "the worst of the shown made room"
    assert [call for call in asked if call.startswith("evaluate")][:3] == [f"evaluate {node} #0" for node in (1, 2, 3)]
    assert history.live.best_terminal == 5


def test_a_step_waits_for_the_one_before_it() -> None:
    strategy = Opro(starts=2, per_step=2, steps=5)
    history = started(strategy)
    live = history.live
    for call in strategy.ask(live, 8):
        history.begin(call)
    assert len(history.flying) == 2
    assert strategy.ask(live, 8) == [], "the starts are not there yet"


def test_the_same_exemplars_are_asked_again_at_further_indices() -> None:
    strategy = Opro(starts=2, per_step=2, shown=2, steps=3)
    values = {1: "0.8", 2: "0.7"}
    _, asked = play(strategy, lambda call, node: values.get(node, f"0.{node:03}"))
    merges = [call for call in asked if call.startswith("aggregate")]
    assert merges == [f"aggregate 2,1 #{index}" for index in range(6)]


def test_what_was_said_before_is_pruned_unscored_and_shown_once() -> None:
    strategy = Opro(starts=3, per_step=1, steps=1)
    values = {1: "0.50", 2: "0.5", 3: "0.4"}
    _, asked = play(strategy, lambda call, node: values.get(node, "0.6"))
    assert "prune 2: repeats node 1" in asked
    assert "evaluate 2 #0" not in asked
    assert "aggregate 3,1 #0" in asked


def test_a_reply_that_states_no_candidate_is_no_candidate() -> None:
    strategy = Opro(starts=3, per_step=1, steps=1)
    _, asked = play(strategy, lambda call, node: "" if node == 2 else str(node / 10))
    assert "prune 2: states no candidate" in asked
    assert "evaluate 2 #0" not in asked
    assert "aggregate 1,3 #0" in asked


def test_without_two_candidates_the_task_alone_is_asked_again() -> None:
    strategy = Opro(starts=1, per_step=2, steps=3)
    values = {1: "0.5", 2: "0.5", 3: "0.5", 4: "0.5", 5: "0.6"}
    _, asked = play(strategy, lambda call, node: values.get(node, "0.1"))
    grown = [call for call in asked if call.startswith(("generate", "aggregate"))]
    assert grown[:5] == [f"generate 0 #{index}" for index in range(5)], "a start and two steps"
    assert grown[5:] == ["aggregate 1,5 #0", "aggregate 1,5 #1"], "the third and last step"


def test_failed_calls_count_and_nothing_goes_on_for_ever() -> None:
    history, asked = play(Opro(starts=5, per_step=8, steps=3), lambda call, node: None)
    assert asked == [f"generate 0 #{index}" for index in range(5 + 24)]
    assert len(history.live) == 1


def test_failed_merges_count_as_steps() -> None:
    strategy = Opro(starts=2, per_step=3, steps=4)
    _, asked = play(strategy, lambda call, node: None if call.op == "aggregate" else str(node / 10))
    assert len([call for call in asked if call.startswith("aggregate")]) == 12


def test_patience_ends_a_search_that_finds_nothing_better() -> None:
    strategy = Opro(starts=2, per_step=2, steps=50, patience=3)
    _, asked = play(strategy, lambda call, node: {1: "0.8", 2: "0.7", 6: "0.9"}.get(node, f"0.{node:03}"))
    merges = [call for call in asked if call.startswith("aggregate")]
    assert len(merges) == 2 * (2 + 3), "node 6 comes in the second step, and three steps after it find nothing better"


def test_few_slots_fill_a_step_bit_by_bit() -> None:
    strategy = Opro(starts=2, per_step=3, steps=2)
    _, one = play(strategy, improving, slots=1)
    _, many = play(strategy, improving, slots=8)
    assert [call for call in one if "aggregate" in call] == [call for call in many if "aggregate" in call]


def test_a_step_goes_on_as_it_began_where_derived_state_is_lost() -> None:
    """A resumed run has the structure alone: the step it was in shows what it showed."""
    strategy = Opro(starts=2, per_step=3, steps=2)
    history = started(strategy)
    live = history.live
    for _ in range(20):
        calls = strategy.ask(live, 2)
        for call in calls[:1]:
            history.begin(call)
            land(history, Random(0), better)
        live.memo.clear()
        if len(live) == 4 and live.evaluations[3]:
            break
    assert live.parents[3] == (1, 2)
    assert strategy.ask(live, 8) == [Call("aggregate", (1, 2), 1), Call("aggregate", (1, 2), 2)]


def better(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """Each candidate is better than the last."""
    if call.op == "evaluate":
        return Evaluated(node=call.nodes[0], value=call.nodes[0] / 100, usage=PAID)
    number = len(structure)
    return Grown(
        op=call.op,  # type: ignore[arg-type]
        nodes=call.nodes,
        index=call.index,
        text=f"Answer: {number}",
        status="terminal",
        answer=str(number),
        after=0,
        usage=PAID,
    )


def test_certainty_ends_it() -> None:
    history, asked = play(Opro(), lambda call, node: "1.0" if node == 4 else "0.2")
    assert Opro().stop(history.live) == "confidence"
    assert not [call for call in asked if call.startswith("aggregate")]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    strategy = Opro(starts=3, per_step=4, shown=5, steps=10, patience=None if seed % 2 else 4)
    history = drive(strategy, Random(seed))
    merges = sum(op == "aggregate" for op in history.live.ops)
    assert merges <= 40


@pytest.mark.parametrize("seed", range(10))
def test_it_forgets_nothing_it_cannot_derive(seed: int) -> None:
    """Law 3 where the memo vanishes again and again."""

    class Forgetful(Opro):
        def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
            if structure.begun % 3 == 0:
                structure.memo.clear()
            return super().ask(structure, slots)

    drive(Forgetful(starts=3, per_step=4, shown=5, steps=6), Random(seed), outcome=good_outcome)


def test_a_thousand_nodes() -> None:
    history, _ = play(Opro(steps=125), improving, most=10_000)
    assert len(history.live) == 1 + 5 + 125 * 8
