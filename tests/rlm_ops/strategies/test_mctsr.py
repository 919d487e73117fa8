from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import yaml
from tests.support.drive import drive, good_outcome, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import BackedUp, Evaluated, Failed, GrowingOp, Grown
from reflectree.rlm_ops.formulas import mctsr_ucb
from reflectree.rlm_ops.strategies.mctsr import MCTSr, _parents


def plain(**parameters: Any) -> MCTSr:
    return MCTSr.model_validate({"resample": False, **parameters})


def solution(history: History, parent: int, *values: float) -> int:
    """A solution, scored and backed up."""
    node, live = len(history.live), history.live
    op: GrowingOp = "refine" if parent else "generate"
    index = live.next_index(op, (parent,))
    history.tell(Grown(op=op, nodes=(parent,), index=index, text=f"all {node}", status="terminal", answer="4", after=0))
    for value in values:
        reward(history, node, value)
    return node


def reward(history: History, node: int, value: float) -> None:
    index = history.live.next_index("evaluate", (node,))
    history.tell(Evaluated(node=node, index=index, value=value))
    history.tell(BackedUp(node=node, value=value))


def test_one_first_answer_then_rewrites_of_it() -> None:
    strategy = plain()
    history = started(strategy)
    assert strategy.ask(history.live, 8) == [Call("generate", (0,), 0)]
    history.begin(Call("generate", (0,), 0))
    assert strategy.ask(history.live, 8) == []
    history = started(strategy)
    solution(history, 0, 0.5)
    assert strategy.ask(history.live, 8) == [Call("refine", (1,), 0)]


def test_the_value_of_a_node_is_half_its_own_and_half_its_best_child_s() -> None:
    history = started(plain())
    solution(history, 0, 0.4)
    solution(history, 1, 0.8)
    solution(history, 1, 0.2)
    solution(history, 2, 0.5)
    live = history.live
    assert live.q(2) == pytest.approx((0.8 + 0.5) / 2)
    assert live.q(1) == pytest.approx((0.4 + 0.65) / 2)
    assert live.visits == [4, 4, 2, 1, 1]


def test_a_chosen_node_gets_one_more_reward_and_a_rewrite() -> None:
    strategy = MCTSr()
    history = started(strategy)
    solution(history, 0, 0.5)
    assert strategy.ask(history.live, 8) == [Call("evaluate", (1,), 1), Call("refine", (1,), 0)]
    assert strategy.ask(history.live, 1) == [Call("evaluate", (1,), 1)]
    reward(history, 1, 0.3)
    assert strategy.ask(history.live, 1) == [Call("refine", (1,), 0)]
    solution(history, 1, 0.1)
    assert strategy.ask(history.live, 8) == [Call("evaluate", (1,), 2), Call("refine", (1,), 1)]


def test_the_choice_is_the_formula_over_all_that_are_not_fully_expanded() -> None:
    strategy = plain(c=1.4, reward_scale=100)
    history = started(strategy)
    for parent, value in ((0, 0.55), (1, 0.5), (1, 0.56), (3, 0.61), (3, 0.6)):
        solution(history, parent, value)
    live = history.live
    q = np.array([float(value or 0) for value in live.backed])
    scores = strategy.ucb(live, q, _parents(live))
    for node in range(1, 6):
        parent = live.parents[node][0]
        rewarded = 200 * q[node] - 100
        assert scores[node] == pytest.approx(mctsr_ucb(rewarded, live.visits[parent], live.visits[node], 1.4))
    assert strategy.select(live) == 1 + int(np.argmax(scores[1:])) == 4


def test_the_golden_numbers_of_the_paper() -> None:
    """Rewards -10, 40, 50 have the value (min + mean) / 2 = 8.333333, whose UCB is 9.415282 at N_p=5, N_c=3."""
    strategy = plain()
    history = started(strategy)
    solution(history, 0, 0.5, 0.5)
    node = solution(history, 1, 0.45, 0.7, 0.75)
    live = history.live
    assert (live.visits[1], live.visits[node]) == (5, 3)
    assert live.q(node) == pytest.approx((8.333333 + 100) / 200)
    q = np.array([0.0, 0.5, live.q(node) or 0.0])
    assert strategy.ucb(live, q, _parents(live))[node] == pytest.approx(9.415282, abs=1e-5)


def test_over_values_exploration_has_its_usual_weight() -> None:
    history = started(plain(max_children=9))
    solution(history, 0, 0.5)
    for value in (0.6, 0.59):
        child = solution(history, 1, value)
    for _ in range(6):
        reward(history, child - 1, 0.6)
    assert plain(max_children=9).select(history.live) == 2, "in rewards of -100 to 100, .01 is 2 points"
    assert plain(max_children=9, reward_scale=0.5).select(history.live) == 3


def test_a_node_is_fully_expanded_once_it_is_full_and_beaten() -> None:
    strategy = plain(max_children=2)
    history = started(strategy)
    solution(history, 0, 0.9)
    solution(history, 1, 0.5)
    solution(history, 1, 0.5)
    assert strategy.select(history.live) == 1, "no rewrite is better: it may have more than its number of them"
    solution(history, 1, 0.95)
    assert strategy.select(history.live) == 4


def test_what_is_on_the_way_is_waited_for() -> None:
    strategy = plain(max_children=2)
    history = started(strategy)
    solution(history, 0, 0.5)
    for index in (0, 1):
        assert strategy.ask(history.live, 8) == [Call("refine", (1,), index)]
        history.begin(Call("refine", (1,), index))
    assert strategy.ask(history.live, 8) == [], "whether a rewrite beats the node is not known yet"
    history.tell(Failed(of="refine", nodes=(1,), index=0))
    history.tell(Failed(of="refine", nodes=(1,), index=1))
    assert strategy.ask(history.live, 8) == [Call("refine", (1,), 2)]


def test_rollouts_are_counted_whatever_came_of_them() -> None:
    strategy = plain(rollouts=2)
    history = started(strategy)
    solution(history, 0, 0.5)
    history.tell(Failed(of="refine", nodes=(1,)))
    assert strategy.ask(history.live, 8) == [Call("refine", (1,), 1)]
    history.begin(Call("refine", (1,), 1))
    assert strategy.ask(history.live, 8) == []


def test_the_task_itself_may_stand_for_a_dummy_answer() -> None:
    strategy = plain(dummy=True, max_children=1, rollouts=3)
    history = started(strategy)
    solution(history, 0, 0.5)
    assert strategy.select(history.live) == 1, "an answer of the lowest reward comes last"
    solution(history, 1, 0.6)
    history.begin(Call("refine", (2,), 0))
    assert strategy.ask(history.live, 8) == [Call("generate", (0,), 1)], "nothing else is left"
    history.begin(Call("generate", (0,), 1))
    assert strategy.ask(history.live, 8) == []
    assert plain(max_children=1).ask(history.live, 8) == []


def test_a_rewrite_that_repeats_a_sibling_is_pruned() -> None:
    strategy = plain()
    history = started(strategy)
    solution(history, 0, 0.5)
    for index in (0, 1):
        history.tell(Grown(op="refine", nodes=(1,), index=index, text="same", status="terminal", answer="4", after=0))
    assert strategy.ask(history.live, 8) == [Call("prune", (3,))]


@pytest.mark.parametrize(
    "strategy", [MCTSr(rollouts=8), plain(dummy=True, max_children=1, rollouts=8), MCTSr(rollouts=0)]
)
def test_whatever_happens_it_asks_once_and_ends(strategy: MCTSr) -> None:
    for seed in range(50):
        live = drive(strategy, Random(seed)).live
        rewrites = sum(op == "refine" for op in live.ops)
        assert rewrites <= strategy.rollouts
        for node in range(len(live)):
            below = sum(live.visits[child] for child in live.children[node])
            assert live.visits[node] == live.evaluations[node] + below


def test_what_it_remembers_can_be_forgotten() -> None:
    live = drive(MCTSr(rollouts=8), Random(3), outcome=good_outcome).live
    bigger = MCTSr(rollouts=20)
    asked = bigger.ask(live, 4)
    live.memo.clear()
    assert bigger.ask(live, 4) == asked != []


def test_the_blueprint_is_the_release_s() -> None:
    data = yaml.safe_load((Path(__file__).parents[3] / "graphs/blueprints/mctsr.yaml").read_text())
    assert data["scheme"]["strategy"].pop("name") == MCTSr.name
    assert MCTSr(**data["scheme"]["strategy"]) == MCTSr()
    assert MCTSr().backup_rule.rule == "mctsr"
