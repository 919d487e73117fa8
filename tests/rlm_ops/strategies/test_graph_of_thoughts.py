"""Graph of thoughts: a plan is carried out in its order, side by side where it can be, and changes as values say."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tests.support.drive import PAID, apply_pure, drive, land, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Evaluated, Event, Grown
from reflectree.rlm_ops.strategies.graph_of_thoughts import GraphOfThoughts
from reflectree.rlm_ops.structure import ReasoningStructure


def plan(*operations: dict[str, Any], structure: str = "dag") -> GraphOfThoughts:
    strategy = {"name": "got", "plan": list(operations)}
    parsed = Blueprint.parse({"name": "x", "scheme": {"structure": structure, "strategy": strategy}}).scheme.strategy
    assert isinstance(parsed, GraphOfThoughts)
    return parsed


DRAFT = {"id": "draft", "op": "generate", "n": 3}
SCORE = {"id": "score", "op": "evaluate", "inputs": ["draft"]}
BEST = {"id": "best", "op": "keep_best", "inputs": ["score"], "n": 2}
MERGE = {"id": "merge", "op": "aggregate", "inputs": ["best"], "n": 1}


def play(strategy: GraphOfThoughts, values: dict[int, float], slots: int = 8) -> tuple[History, list[str]]:
    """Carry a plan out without failures; node k gets values[k]; returns what was asked, in order."""

    def outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        if call.op == "evaluate":
            return Evaluated(node=call.nodes[0], index=call.index, value=values[call.nodes[0]], usage=PAID)
        return Grown(
            op=call.op,  # type: ignore[arg-type]
            nodes=call.nodes,
            index=call.index,
            how=call.how,
            text=f"thought {len(structure)}",
            status="terminal",
            answer=f"a{len(structure)}",
            usage=PAID,
        )

    history, asked = started(strategy), []
    while True:
        calls = strategy.ask(history.live, slots)
        asked += [f"{call.op} {','.join(map(str, call.nodes))}" for call in calls if call.op != "backpropagate"]
        if calls and calls[0].op in PURE:
            apply_pure(history, calls)
            continue
        for call in calls:
            history.begin(call)
        if not history.flying:
            return history, asked
        land(history, Random(0), outcome)


def test_a_plan_is_carried_out_in_its_order() -> None:
    history, asked = play(plan(DRAFT, SCORE, BEST, MERGE), {1: 0.2, 2: 0.9, 3: 0.5})
    assert asked[:3] == ["generate 0"] * 3
    assert sorted(asked[3:6]) == ["evaluate 1", "evaluate 2", "evaluate 3"]
    assert asked[6] == "aggregate 2,3"
    live = history.live
    assert live.parents[4] == (2, 3)
    assert live.hows[4] == "merge"
    assert list(live.terminals) == [4], "answers on the way are no outcome of the plan"


def test_an_operation_is_skipped_where_its_condition_does_not_hold() -> None:
    merge = {**MERGE, "when": {"of": "score", "below": 0.8}}
    last = {"id": "last", "op": "keep_best", "inputs": ["merge"]}
    history, asked = play(plan(DRAFT, SCORE, BEST, merge, last), {1: 0.2, 2: 0.9, 3: 0.5})
    assert not [call for call in asked if call.startswith("aggregate")]
    assert list(history.live.terminals) == [2]


def test_mending_goes_on_until_it_is_good_enough_or_tried_often_enough() -> None:
    mend = {"id": "mend", "op": "refine", "inputs": ["best"], "n": 3, "until": 0.8}
    one = {**BEST, "n": 1}
    strategy = plan(DRAFT, SCORE, one, mend)
    began = strategy
    history, asked = play(began, {1: 0.2, 2: 0.4, 3: 0.1, 4: 0.6, 5: 0.9})
    assert [call for call in asked if call.startswith("refine")][:1] == ["refine 2"]
    assert history.live.depth[-1] <= 4


def test_operations_that_wait_for_nothing_run_side_by_side() -> None:
    left, right = {"id": "left", "op": "generate", "n": 2}, {"id": "right", "op": "generate", "n": 2}
    strategy = plan(left, right)
    history = started(strategy)
    calls = strategy.ask(history.live, 8)
    assert [call.how for call in calls] == ["left", "left", "right", "right"]
    assert len({call.index for call in calls}) == 4


@pytest.mark.parametrize(
    ("operations", "says"),
    [
        ([{"id": "a", "op": "generat"}], "did you mean 'generate'"),
        ([{**SCORE}, {"id": "draft", "op": "refine", "inputs": ["score"]}], "circle"),
        ([DRAFT, {**SCORE, "inputs": ["draf"]}], "did you mean 'draft'"),
        ([DRAFT, DRAFT], "two operations"),
        ([{"id": "a", "op": "evaluate"}], "needs inputs"),
        ([], "at least 1"),
    ],
)
def test_a_plan_that_cannot_run_is_refused_by_name(operations: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        plan(*operations)


def test_a_plan_that_merges_needs_a_dag() -> None:
    with pytest.raises(BadInput, match="dag"):
        plan(DRAFT, SCORE, BEST, MERGE, structure="tree")


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    mend = {"id": "mend", "op": "refine", "inputs": ["merge", "best"], "n": 2, "until": 0.95}
    again = {"id": "again", "op": "evaluate", "inputs": ["mend"]}
    strategy = plan(DRAFT, SCORE, BEST, MERGE, mend, again)
    drive(strategy, Random(seed))


def test_a_thousand_nodes() -> None:
    strategy = plan({"id": "draft", "op": "generate", "n": 500}, SCORE, BEST, MERGE)
    drive(strategy, Random(1))
