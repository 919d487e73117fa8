"""Hypothesis search: words first, then programs, then what the failures teach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from tests.support.drive import PAID, apply_pure, drive, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.hypotheses import HypothesisSearch
from reflectree.rlm_ops.structure import ReasoningStructure

FAILS = "fails"


def play(
    strategy: HypothesisSearch,
    values: Mapping[int, float | str] | None = None,
    texts: Mapping[int, str] | None = None,
    *,
    slots: int = 8,
) -> tuple[History, list[str]]:
    """Carry out a search without delays: node k says texts[k] and is worth values[k]; returns what was asked."""
    values, texts = values or {}, texts or {}

    def outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        if call.op == "evaluate":
            value = values.get(call.nodes[0], 0.5)
            if isinstance(value, str):
                return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, usage=PAID)
            return Evaluated(node=call.nodes[0], index=call.index, value=value, how=call.how, usage=PAID)
        node = len(structure)
        text = texts.get(node, f"text {node}")
        answer = None if call.how == "hypothesis" and not text.startswith("def") else text
        return Grown(
            op=call.op,  # type: ignore[arg-type]
            nodes=call.nodes,
            index=call.index,
            how=call.how,
            text=text,
            status="open" if answer is None else "terminal",
            answer=answer,
            after=structure.after[call.nodes[0]] if call.op == "refine" else -1,
            usage=PAID,
        )

    history, asked = started(strategy), list[str]()
    while strategy.stop(history.live) is None and len(asked) < 5000:
        calls = strategy.ask(history.live, slots - len(history.flying))
        if calls and calls[0].op in PURE:
            asked += [f"prune {call.nodes[0]}: {call.reason}" for call in calls]
            apply_pure(history, calls)
            continue
        for call in calls:
            asked.append(f"{call.op} {call.nodes[0]} #{call.index} {call.how}".strip())
            history.begin(call)
        if not calls:
            if not history.flying:
                break
            land_first(history, outcome)
    return history, asked


def land_first(history: History, outcome: Any) -> None:
    """The oldest call in flight comes to its event."""
    history.flying.sort(key=lambda call: (call.op, call.nodes, call.index))
    history.tell(outcome(history.flying.pop(0), history.live, Random(0)))


def test_words_then_programs_then_rewrites() -> None:
    history, asked = play(HypothesisSearch(hypotheses=2, per_hypothesis=1, revisions=1), {3: 0.2, 4: 0.6})
    assert asked[:2] == ["generate 0 #0 hypothesis", "generate 0 #1 hypothesis"]
    assert sorted(asked[2:]) == [
        *(f"evaluate {node} #0" for node in (3, 4, 5, 6)),
        *("generate 1 #0 program", "generate 2 #0 program"),
        *("refine 3 #0", "refine 4 #0"),
    ]
    for first, then in (("generate 1 #0 program", "evaluate 3 #0"), ("evaluate 3 #0", "refine 3 #0")):
        assert asked.index(first) < asked.index(then)
    live = history.live
    assert [step.status for step in live.steps[1:3]] == ["open", "open"]
    assert sorted(live.parents[node] for node in (3, 4)) == [(1,), (2,)]
    assert {live.after[node] for node in (5, 6)} == {1, 2}, "a rewrite is read after its hypothesis"


def test_a_program_that_is_good_enough_is_left_alone() -> None:
    _, asked = play(HypothesisSearch(hypotheses=1, per_hypothesis=2, revisions=2, enough=0.8), {2: 0.9, 3: 0.1, 4: 0.3})
    assert [call for call in asked if call.startswith("refine")] == ["refine 3 #0", "refine 4 #0"]


def test_the_best_program_is_rewritten_first() -> None:
    _, asked = play(HypothesisSearch(hypotheses=1, per_hypothesis=3, revisions=1), {2: 0.1, 3: 0.7, 4: 0.4}, slots=1)
    assert [call for call in asked if call.startswith("refine")] == ["refine 3 #0", "refine 4 #0", "refine 2 #0"]


def test_one_program_a_hypothesis_before_a_second() -> None:
    _, asked = play(HypothesisSearch(hypotheses=3, per_hypothesis=2, revisions=0), slots=1)
    programs = [call for call in asked if call.endswith("program")]
    assert programs == [f"generate {node} #{index} program" for index in (0, 1) for node in (1, 2, 3)]


def test_a_filter_keeps_the_hypotheses_it_likes_best() -> None:
    strategy = HypothesisSearch(hypotheses=4, keep=2, per_hypothesis=1, revisions=0)
    _, asked = play(strategy, {1: 0.3, 2: 0.8, 3: 0.1, 4: 0.6})
    assert sum(call.endswith("filter") for call in asked) == 4
    assert {call for call in asked if call.endswith("program")} == {"generate 2 #0 program", "generate 4 #0 program"}


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_the_filter_chooses_among_all_of_them(slots: int) -> None:
    strategy = HypothesisSearch(hypotheses=4, keep=1, per_hypothesis=1, revisions=0)
    _, asked = play(strategy, {1: 0.3, 2: 0.2, 3: 0.1, 4: 0.9}, slots=slots)
    assert [call for call in asked if call.endswith("program")] == ["generate 4 #0 program"]


def test_a_hypothesis_that_could_not_be_judged_is_not_carried_out_and_keeps_nobody_waiting() -> None:
    strategy = HypothesisSearch(hypotheses=2, keep=2, per_hypothesis=1, revisions=0)
    _, asked = play(strategy, {1: FAILS, 2: 0.2})
    assert [call for call in asked if call.endswith("program")] == ["generate 2 #0 program"]


def test_a_hypothesis_told_before_is_pruned_and_made_up_for() -> None:
    _, asked = play(
        HypothesisSearch(hypotheses=2, per_hypothesis=1, revisions=0), texts={1: "Sort it.", 2: "sort  it."}
    )
    assert "prune 2: repeats node 1" in asked
    assert "generate 0 #2 hypothesis" in asked
    assert "generate 2 #0 program" not in asked


def test_a_program_given_at_once_is_measured_and_rewritten_like_others() -> None:
    _, asked = play(HypothesisSearch(hypotheses=1, per_hypothesis=1, revisions=1), {1: 0.4}, {1: "def f(): ..."})
    assert asked == ["generate 0 #0 hypothesis", "evaluate 1 #0", "refine 1 #0", "evaluate 2 #0"]


def test_certainty_ends_it() -> None:
    history, asked = play(HypothesisSearch(hypotheses=1, per_hypothesis=1, revisions=5), {2: 1.0})
    assert not [call for call in asked if call.startswith("refine")]
    assert HypothesisSearch().stop(history.live) == "confidence"


def test_a_program_that_could_not_be_measured_is_not_rewritten() -> None:
    _, asked = play(HypothesisSearch(hypotheses=1, per_hypothesis=1, revisions=2), {2: FAILS})
    assert asked[-1] == "evaluate 2 #0"


def test_without_revisions_nothing_refines() -> None:
    assert "refine" not in HypothesisSearch(revisions=0).uses()
    assert "refine" in HypothesisSearch(revisions=1).uses()
    assert list(HypothesisSearch(keep=2).variants()) == [
        ("generate", "hypothesis"),
        ("generate", "program"),
        ("evaluate", "filter"),
    ]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    keep = (None, 2, 5)[seed % 3]
    strategy = HypothesisSearch(hypotheses=5, keep=keep, per_hypothesis=3, revisions=seed % 4)
    history = drive(strategy, Random(seed))
    live = history.live
    ops = Counter(live.ops)
    assert ops["generate"] <= 7 + 3 * 7
    if keep is not None:
        assert sum(bool(live.attempts("generate", (node,))) for node in live.children[0]) <= keep
    assert max(live.depth) <= 2 + strategy.revisions


@pytest.mark.parametrize("seed", range(10))
def test_it_forgets_nothing_it_cannot_derive(seed: int) -> None:
    class Forgetful(HypothesisSearch):
        def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
            structure.memo.clear()
            return super().ask(structure, slots)

    strategy = HypothesisSearch(hypotheses=4, keep=2, per_hypothesis=2, revisions=2)
    remembering, forgetting = (
        drive(cls(**strategy.model_dump()), Random(seed)).events for cls in (HypothesisSearch, Forgetful)
    )
    assert remembering == forgetting


def test_a_thousand_nodes() -> None:
    history, _ = play(HypothesisSearch(hypotheses=50, per_hypothesis=7, revisions=2))
    assert len(history.live) == 1 + 50 + 50 * 7 * 3
