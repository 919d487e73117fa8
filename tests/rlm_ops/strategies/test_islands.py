"""Program search on islands: who breeds with whom, what is preferred, and what begins anew."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.support.drive import PAID, apply_pure, drive, good_outcome, land, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.islands import Islands
from reflectree.rlm_ops.strategies.population import Population
from reflectree.rlm_ops.structure import ReasoningStructure


def small(**parameters: Any) -> Islands:
    return Islands(**{"islands": 3, "starts": 2, "samples": 2, "programs": 60, "reset_every": None, **parameters})


def bred(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """A program of its own a call, now and then better than those before."""
    if call.op == "evaluate":
        value = round(random.random() * (1 - 1 / (2 + call.nodes[0])), 3)
        return Evaluated(node=call.nodes[0], value=value, scores=(round(value, 1),), usage=PAID)
    number = len(structure)
    return Grown(
        op=call.op,  # type: ignore[arg-type]
        nodes=call.nodes,
        index=call.index,
        how=call.how,
        text=f"program {number}",
        status="terminal",
        answer=f"program {number}" + "x" * (number % 7),
        after=0,
        usage=PAID,
    )


def play(strategy: Islands, *, slots: int = 4, outcome: Any = bred, seed: int = 0) -> tuple[History, list[Call]]:
    """Carry out a search; the calls in the order in which they were asked for."""
    history, asked, random = started(strategy, seed), list[Call](), Random(seed)
    while strategy.stop(history.live) is None and len(asked) < 5000:
        calls = strategy.ask(history.live, slots - len(history.flying))
        if calls and calls[0].op in PURE:
            apply_pure(history, calls)
            continue
        for call in calls:
            asked.append(call)
            history.begin(call)
        if not calls:
            if not history.flying:
                break
            land(history, random, outcome)
    return history, asked


def grown(asked: list[Call]) -> list[Call]:
    return [call for call in asked if call.op != "evaluate"]


def test_every_island_begins_with_programs_of_its_own() -> None:
    history, asked = play(small())
    first = grown(asked)[:6]
    assert [(call.op, call.nodes, call.index) for call in first] == [("generate", (0,), index) for index in range(6)]
    assert [call.how for call in first] == ["island-0", "island-1", "island-2"] * 2
    assert set(history.live.hows[1:]) == {"island-0", "island-1", "island-2"}


def test_islands_do_not_mix_without_resets() -> None:
    live = play(small())[0].live
    merges = [node for node in range(1, len(live)) if live.ops[node] == "aggregate"]
    assert len(merges) > 30
    for node in merges:
        assert {live.hows[parent] for parent in live.parents[node]} == {live.hows[node]}


def test_a_prompt_shows_the_worse_program_first_and_asks_for_several() -> None:
    history, asked = play(small(programs=40))
    live = history.live
    prompts = Counter(call.nodes for call in asked if call.op == "aggregate")
    for nodes in prompts:
        assert len(nodes) == len(set(nodes)) == 2
        low, high = (live.value(node) or 0.0 for node in nodes)
        assert low <= high
        assert live.scores[nodes[0], ""] != live.scores[nodes[1], ""] or low == high, "of distinct clusters"
    assert max(prompts.values()) >= 2


def test_one_slot_at_a_time_a_prompt_still_gets_its_samples() -> None:
    _, asked = play(small(samples=4, programs=38), slots=1)
    merges = [call for call in asked if call.op == "aggregate"]
    assert len(merges) == 32
    for position in range(0, 32, 4):
        assert len({(call.nodes, call.how) for call in merges[position : position + 4]}) == 1


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_no_more_programs_than_the_cap(slots: int) -> None:
    def half_fail(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        if call.op != "evaluate" and random.random() < 0.5:
            return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, usage=PAID)
        return bred(call, structure, random)

    _, asked = play(small(programs=50), slots=slots, outcome=half_fail)
    assert len(grown(asked)) == 50, "failed ones count"
    _, asked = play(small(programs=4), slots=slots)
    assert len(grown(asked)) == 4, "fewer than the islands begin with"


def test_an_island_with_one_program_is_given_another_from_the_task() -> None:
    def lonely(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        if call.op == "generate" and 1 <= call.index < 3:
            return Failed(of="generate", nodes=(0,), index=call.index, how=call.how, usage=PAID)
        return bred(call, structure, random)

    _, asked = play(Islands(islands=2, starts=2, programs=20), outcome=lonely)
    assert [call.how for call in asked if call.op == "generate"][:4] == ["island-0", "island-1"] * 2
    later = [call.how for call in asked if call.op == "generate"][4:]
    assert sorted(set(later)) == ["island-0", "island-1"], "each lost one of its two"


def test_the_same_program_is_measured_once_an_island() -> None:
    def alike(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        event = bred(call, structure, random)
        if isinstance(event, Grown):
            return replace(event, text="x", answer="x")
        return event

    history, asked = play(small(programs=12), outcome=alike)
    measured = [call.nodes[0] for call in asked if call.op == "evaluate"]
    assert sorted(history.live.hows[node] for node in measured) == ["island-0", "island-1", "island-2"]
    assert len(grown(asked)) == 12


def test_after_a_reset_founders_breed_on_their_new_islands() -> None:
    live = play(Islands(islands=4, starts=2, samples=2, programs=200, reset_every=40), seed=3)[0].live
    abroad = [
        node
        for node in range(1, len(live))
        if live.ops[node] == "aggregate" and {live.hows[parent] for parent in live.parents[node]} != {live.hows[node]}
    ]
    assert abroad
    population = Population(4, 40)
    population.read(live)
    assert population.resets == 5


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    strategy = small(programs=80, reset_every=15 if seed % 2 else None, shown=2 + seed % 3, samples=1 + seed % 4)
    history = drive(strategy, Random(seed))
    calls = sum(count for (op, _), count in history.live.failures.items() if op != "evaluate") + len(history.live) - 1
    assert calls <= 80


@pytest.mark.parametrize("seed", range(10))
def test_it_forgets_nothing_it_cannot_derive(seed: int) -> None:
    class Forgetful(Islands):
        def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
            if not structure.calls_in_flight:  # as in a run that is taken up again
                structure.memo.clear()
            return super().ask(structure, slots)

    strategy = Forgetful(islands=3, programs=60, reset_every=20)
    history = drive(strategy, Random(seed), outcome=good_outcome)
    assert len(history.live) <= 61


def test_the_same_seed_the_same_search() -> None:
    first, second, other = (play(small(), seed=seed)[1] for seed in (1, 1, 2))
    assert first == second
    assert [call.how for call in first] == [call.how for call in second]
    assert first != other


def test_two_thousand_programs() -> None:
    _, asked = play(Islands(programs=2000), slots=8)
    assert len(grown(asked)) == 2000
