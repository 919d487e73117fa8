from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from tests.support.drive import drive, good_outcome, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Failed, GrowingOp, Grown, Pruned
from reflectree.rlm_ops.strategies.llama_berry import LlamaBerry


def compare(a: int, b: int) -> Call:
    return Call("evaluate", (a, b))


def solution(history: History, parent: int, **against: float) -> int:
    """A solution, with what came of comparing it: `_1=0.8` is a chance of .8 of being better than node 1."""
    node, live = len(history.live), history.live
    op: GrowingOp = "refine" if parent else "generate"
    index = live.next_index(op, (parent,))
    history.tell(Grown(op=op, nodes=(parent,), index=index, text=f"all {node}", status="terminal", answer="4", after=0))
    for other, chance in against.items():
        history.tell(Evaluated(node=node, against=int(other[1:]), value=chance))
    return node


def berry(**parameters: Any) -> LlamaBerry:
    return LlamaBerry.model_validate({"opponents": 0, **parameters})


def test_a_rollout_is_a_rewrite_and_its_comparisons() -> None:
    strategy = berry()
    history = started(strategy)
    assert strategy.ask(history.live, 8) == [Call("generate", (0,), 0)]
    solution(history, 0)
    assert strategy.ask(history.live, 8) == [Call("refine", (1,), 0)], "there is nobody to compare the first with"
    solution(history, 1)
    (call,) = strategy.ask(history.live, 8)
    assert (call, call.how) == (compare(2, 1), "pairwise")
    history.tell(Evaluated(node=2, against=1, value=0.3, how="pairwise"))
    assert strategy.ask(history.live, 8) == [Call("refine", (1,), 1)]
    solution(history, 1)
    assert strategy.ask(history.live, 8) == [compare(3, 1), compare(3, 2)]
    assert strategy.ask(history.live, 1) == [compare(3, 1)]
    assert strategy.ask(history.live, 0) == []


def test_further_opponents_are_spread_over_all() -> None:
    strategy = berry(opponents=2)
    history = started(strategy)
    solution(history, 0)
    for _ in range(6):
        solution(history, len(history.live) - 1)
    assert strategy.opponents_of(history.live, 2) == [1]
    assert strategy.opponents_of(history.live, 4) == [3, 1, 2]
    assert strategy.opponents_of(history.live, 7) == [6, 1, 4]


def test_the_walk_goes_to_the_better_rewrite_once_a_node_is_full_and_beaten() -> None:
    strategy = berry()
    history = started(strategy)
    solution(history, 0)
    solution(history, 1, _1=0.3)
    solution(history, 1, _1=0.8, _2=0.9)
    assert strategy.ask(history.live, 8) == [Call("refine", (3,), 0)]


def test_a_node_that_no_rewrite_beats_stays_open() -> None:
    strategy = berry()
    history = started(strategy)
    solution(history, 0)
    solution(history, 1, _1=0.3)
    solution(history, 1, _1=0.2, _2=0.9)
    assert strategy.ask(history.live, 8) == [Call("refine", (1,), 2)]


def test_what_is_on_the_way_is_waited_for_and_another_branch_entered() -> None:
    strategy = berry(max_children=1)
    history = started(strategy)
    solution(history, 0)
    history.begin(Call("refine", (1,), 0))
    assert strategy.ask(history.live, 8) == []
    history.tell(Failed(of="refine", nodes=(1,), index=0))
    assert strategy.ask(history.live, 8) == [Call("refine", (1,), 1)]
    strategy = berry(max_children=2, c=0.0)
    history = started(strategy)
    solution(history, 0)
    solution(history, 1, _1=0.7)
    solution(history, 1, _1=0.8, _2=0.9)
    for index in (0, 1):
        assert strategy.ask(history.live, 8) == [Call("refine", (3,), index)]
        history.begin(Call("refine", (3,), index))
    assert strategy.ask(history.live, 8) == [Call("refine", (2,), 0)]


def test_visits_draw_the_walk_away() -> None:
    strategy = berry(c=1.4)
    history = started(strategy)
    solution(history, 0)
    solution(history, 1, _1=0.7)
    solution(history, 1, _1=0.8, _2=0.6)
    for other in (3, 4, 5, 6):
        solution(history, other, **{f"_{other}": 0.1})
    assert strategy.ask(history.live, 8) == [Call("refine", (2,), 0)]
    assert berry(c=0.0).ask(history.live, 8) == [Call("refine", (3,), 1)]


def test_comparisons_that_fail_hold_nothing_up() -> None:
    strategy = berry()
    history = started(strategy)
    solution(history, 0)
    solution(history, 1)
    history.tell(Failed(of="evaluate", nodes=(2, 1), how="pairwise"))
    assert strategy.ask(history.live, 8) == [Call("refine", (1,), 1)]


def test_a_rewrite_that_repeats_a_sibling_is_pruned_and_nobody_s_opponent() -> None:
    strategy = berry(opponents=3)
    history = started(strategy)
    solution(history, 0)
    for index, text in enumerate(("same", "same", "other")):
        history.tell(Grown(op="refine", nodes=(1,), index=index, text=text, status="terminal", answer="4", after=0))
    (call,) = strategy.ask(history.live, 8)
    assert (call, call.reason) == (Call("prune", (3,)), "repeats a sibling")
    history.tell(Pruned(nodes=(3,)))
    assert strategy.ask(history.live, 8) == [compare(2, 1), compare(4, 1), compare(4, 2)]


def test_rollouts_are_counted_whatever_came_of_them() -> None:
    strategy = berry(rollouts=1)
    history = started(strategy)
    solution(history, 0)
    history.begin(Call("refine", (1,), 0))
    assert strategy.ask(history.live, 8) == []
    history.tell(Failed(of="refine", nodes=(1,)))
    assert strategy.ask(history.live, 8) == []


@pytest.mark.parametrize("strategy", [LlamaBerry(rollouts=8), berry(rollouts=12, max_children=1), berry(rollouts=0)])
def test_whatever_happens_it_asks_once_and_ends(strategy: LlamaBerry) -> None:
    for seed in range(50):
        live = drive(strategy, Random(seed)).live
        assert sum(op == "refine" for op in live.ops) <= strategy.rollouts
        for node in range(len(live)):
            assert live.visits[node] == live.evaluations[node] + sum(live.visits[c] for c in live.children[node]) == 0


def test_every_solution_is_compared_with_its_parent() -> None:
    live = drive(LlamaBerry(rollouts=12), Random(5), outcome=good_outcome).live
    for node in range(2, len(live)):
        if live.steps[node].status != "pruned":
            assert live.better(node, live.parents[node][0]) is not None


def test_what_it_remembers_can_be_forgotten() -> None:
    for seed in range(20):
        live = drive(LlamaBerry(rollouts=10), Random(seed)).live
        bigger = LlamaBerry(rollouts=30)
        asked = bigger.ask(live, 4)
        live.memo.clear()
        assert bigger.ask(live, 4) == asked


def test_the_blueprint_is_the_paper_s() -> None:
    data = yaml.safe_load((Path(__file__).parents[3] / "graphs/blueprints/llama-berry.yaml").read_text())
    assert data["scheme"]["strategy"].pop("name") == LlamaBerry.name
    assert LlamaBerry(**data["scheme"]["strategy"]) == LlamaBerry()
    assert data["selection"] == "borda"
    assert [how for _, how in LlamaBerry().variants()] == list(data["operators"]["evaluate"]["variants"])
