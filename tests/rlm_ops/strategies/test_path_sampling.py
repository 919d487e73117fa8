from __future__ import annotations

from random import Random

import pytest
from tests.support.drive import drive, good_outcome, started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Event, Grown
from reflectree.rlm_ops.operators import PURE_OPERATORS
from reflectree.rlm_ops.strategies.path_sampling import WHOLE, PathSampling
from reflectree.rlm_ops.structure import ReasoningStructure


@pytest.mark.parametrize("seed", range(40))
def test_law_3_holds_whatever_comes_of_the_calls(seed: int) -> None:
    drive(PathSampling(steps=12, hold=2, width=4, root_width=6), Random(seed))


def policy(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """Draws without replacement from four steps, of which the third leads to what is worth most."""
    (node,) = call.nodes
    if call.op == "evaluate":
        best = structure.path(node).text.replace("\n", "").startswith("cc")
        return Evaluated(node=node, index=call.index, value=0.9 if best else 0.3)
    if call.how == WHOLE:
        return Grown(nodes=call.nodes, index=call.index, text="Answer: 1", status="terminal", answer="1", how=WHOLE)
    there = {structure.steps[child].text for child in structure.children[node]}
    letter = next((letter for letter in "abcd" if letter not in there), "d")
    return Grown(nodes=call.nodes, index=call.index, text=letter, prior=0.25, how=call.how)


def test_the_best_held_path_is_written_to_its_end_once() -> None:
    history = drive(PathSampling(steps=40, hold=2, width=4, root_width=4), Random(1), outcome=policy, slots=lambda _: 1)
    structure = history.live
    (answer,) = structure.terminals
    assert [structure.steps[node].text for node in structure.path_ids(answer)] == ["c", "c", "Answer: 1"]
    # four steps below the root and four below each: drawn without replacement, there are no more
    assert len(structure) == 1 + 4 + 16 + 1


def test_a_sure_node_ends_the_drawing() -> None:
    sure = PathSampling(steps=40, hold=2, width=4, root_width=4, sure=0.3)
    structure = drive(sure, Random(3), outcome=policy, slots=lambda _: 1).live
    assert len(structure.terminals) == 1
    assert len(structure) < 1 + 4 + 16 + 1


def test_what_was_seen_to_its_end_is_not_entered_again_and_values_draw_paths() -> None:
    """The root's two steps cover all its chances: the next paths go to the one of the higher value."""
    strategy = PathSampling(steps=1000, hold=2, width=500, root_width=2, power=8.0)
    history = started(strategy)
    for text, prior in (("a", 0.5), ("b", 0.5)):
        history.tell(Grown(nodes=(0,), index=len(history.live) - 1, text=text, prior=prior))
    history.tell(Evaluated(node=1, value=0.2))
    history.tell(Evaluated(node=2, value=0.8))
    for call in strategy.ask(history.live, 8):
        for event in PURE_OPERATORS[call.op](history.live, call):
            history.tell(event)
    calls = strategy.ask(history.live, 50)
    assert {call.nodes for call in calls} == {(2,)}
    assert [call.index for call in calls] == list(range(50))


def test_repeats_are_pruned_where_the_policy_does_not_leave_known_steps_out() -> None:
    def repeating(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        if call.op == "generate" and call.how != WHOLE:
            return Grown(nodes=call.nodes, index=call.index, text=random.choice("ab"))
        return good_outcome(call, structure, random)

    structure = drive(PathSampling(steps=20, hold=2), Random(0), outcome=repeating).live
    for node in range(len(structure)):
        kept = [structure.steps[child].text for child in structure.children[node]
                if structure.steps[child].status != "pruned"]  # fmt: skip
        assert len(kept) == len(set(kept))
