from __future__ import annotations

import math

import pytest
from pydantic import ValidationError
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import BackedUp, Backtracked, Evaluated, Failed, Grown, Pruned
from reflectree.rlm_ops.step import Status
from reflectree.rlm_ops.strategies import MCTS


def begun(strategy: MCTS) -> History:
    limits = strategy.limits()
    return History(limits.width, limits.root_width, limits.depth)


def grow(
    history: History, parent: int, value: float | None = None, answer: str | None = None, prior: float | None = None
) -> int:
    """Add a child, scored and backed up where a value is given."""
    live = history.live
    node = len(live)
    index = live.next_index("generate", (parent,))
    status: Status = "open" if answer is None else "terminal"
    history.tell(Grown(nodes=(parent,), index=index, text=f"step {node}", answer=answer, status=status, prior=prior))
    if value is not None:
        history.tell(Evaluated(node=node, value=value))
        history.tell(BackedUp(node=node, value=value))
    return node


def test_what_is_evaluated_is_backed_up_before_anything_else() -> None:
    strategy = MCTS()
    history = begun(strategy)
    grow(history, 0)
    history.tell(Evaluated(node=1, value=0.5))
    assert strategy.ask(history.live, 0) == [Call("backpropagate", (1,))]


def test_what_is_new_is_evaluated_before_anything_grows() -> None:
    strategy = MCTS()
    history = begun(strategy)
    grow(history, 0)
    grow(history, 0, answer="42")
    grow(history, 0)
    assert strategy.ask(history.live, 2) == [Call("evaluate", (1,)), Call("evaluate", (2,))]


def test_a_step_that_repeats_a_sibling_is_pruned_unscored() -> None:
    history = begun(MCTS())
    for index in (0, 1):
        history.tell(Grown(nodes=(0,), index=index, text="same"))
    assert MCTS().ask(history.live, 4) == [Call("prune", (2,))]
    assert MCTS().ask(history.live, 4)[0].reason == "repeats a sibling"
    assert MCTS(distinct=False).ask(history.live, 4) == [Call("evaluate", (1,)), Call("evaluate", (2,))]


def test_the_root_is_filled_first_and_then_the_best_child() -> None:
    strategy = MCTS(width=2, root_width=2, depth=5)
    history = begun(strategy)
    assert strategy.ask(history.live, 1) == [Call("generate", (0,), 0)]
    grow(history, 0, 0.2)
    grow(history, 0, 0.9)
    assert strategy.ask(history.live, 1) == [Call("generate", (2,), 0)]


def test_calls_in_flight_spread_the_search() -> None:
    """Two equal children: the second call goes to the other one (WU-UCT counts the first as a visit)."""
    strategy = MCTS(width=4, root_width=2, depth=5)
    history = begun(strategy)
    grow(history, 0, 0.5)
    grow(history, 0, 0.5)
    nodes = []
    for _ in range(4):
        (call,) = strategy.ask(history.live, 1)
        history.begin(call)
        nodes.append(call.nodes[0])
    assert nodes == [1, 2, 1, 2]


@pytest.mark.parametrize("formula", ["puct", "uct"])
def test_the_choice_is_the_formula(formula: str) -> None:
    strategy = MCTS.model_validate({"width": 3, "root_width": 3, "depth": 4, "formula": formula})
    history = begun(strategy)
    for value in (0.5, 0.6, 0.1):
        grow(history, 0, value)
    for _ in range(3):
        grow(history, 2, 0.3)
    live = history.live
    scores = {}
    for child in (1, 2, 3):
        q, n = live.value_sum[child] / live.visits[child], live.visits[child]
        if formula == "uct":
            scores[child] = q + strategy.c * math.sqrt(math.log(live.visits[0]) / n)
        else:
            c = math.log((1 + live.visits[0] + strategy.c_base) / strategy.c_base) + strategy.c
            scores[child] = q + c * (1 / 3) * math.sqrt(live.visits[0]) / (1 + n)
    assert strategy.best_child(live, 0) == max(scores, key=lambda child: scores[child])


def test_a_high_prior_draws_the_search() -> None:
    strategy = MCTS(width=2, root_width=2, depth=4)
    history = begun(strategy)
    grow(history, 0, 0.5, prior=0.1)
    grow(history, 0, 0.5, prior=0.8)
    assert strategy.select(history.live) == 2
    assert MCTS(width=2, root_width=2, depth=4, formula="uct").select(history.live) == 1


@pytest.mark.parametrize(("unvisited", "expected"), [("parent", 0.7), ("zero", 0.0), ("one", 1.0)])
def test_a_child_without_a_value_has_the_value_of_its_rule(unvisited: str, expected: float) -> None:
    strategy = MCTS.model_validate({"unvisited": unvisited})
    history = begun(strategy)
    grow(history, 0, 0.7)
    assert strategy._unseen(history.live, 0) == expected
    assert MCTS()._unseen(begun(MCTS()).live, 0) == 0.5


def test_a_closed_subtree_is_not_entered_and_the_search_ends() -> None:
    strategy = MCTS(width=1, root_width=2, depth=2)
    history = begun(strategy)
    best = grow(history, 0, 0.9)
    grow(history, 0, 0.1)
    grow(history, best, 0.9, answer="42")
    assert strategy.ask(history.live, 4) == [Call("generate", (2,), 0)]
    grow(history, 2, 0.1)
    assert strategy.ask(history.live, 4) == []
    assert strategy.stop(history.live) is None


def test_a_pruned_child_is_not_entered() -> None:
    strategy = MCTS(width=2, root_width=2, depth=3)
    history = begun(strategy)
    grow(history, 0, 0.9)
    grow(history, 0, 0.1)
    history.tell(Pruned(nodes=(1,)))
    assert strategy.select(history.live) == 2


def test_no_slot_no_call() -> None:
    strategy = MCTS()
    history = begun(strategy)
    assert strategy.ask(history.live, 0) == []
    grow(history, 0)
    assert strategy.ask(history.live, 0) == []


def test_all_children_of_a_node_come_at_once() -> None:
    strategy = MCTS(width=3, root_width=3, depth=4, expand="all")
    history = begun(strategy)
    assert strategy.ask(history.live, 8) == [Call("generate", (0,), index) for index in range(3)]
    for value in (0.5, 0.9, 0.1):
        grow(history, 0, value)
    assert strategy.ask(history.live, 8) == [Call("generate", (2,), index) for index in range(3)]


def test_together_no_child_is_valued_before_its_siblings_are_there() -> None:
    strategy = MCTS(width=3, root_width=3, depth=4, expand="together")
    history = begun(strategy)
    history.tell(Grown(nodes=(0,), index=0, text="a"))
    assert strategy.ask(history.live, 1) == [Call("generate", (0,), 1)]
    for call in strategy.ask(history.live, 8):
        history.begin(call)
    history.tell(Failed(of="generate", nodes=(0,), index=1))
    assert strategy.ask(history.live, 8) == []
    history.tell(Grown(nodes=(0,), index=2, text="b"))
    assert strategy.ask(history.live, 8) == [Call("evaluate", (1,)), Call("evaluate", (2,))]


def test_an_expansion_that_lacks_slots_goes_on_before_anything_else() -> None:
    strategy = MCTS(width=3, root_width=2, depth=4, expand="all")
    history = begun(strategy)
    grow(history, 0, 0.5)
    grow(history, 0, 0.9)
    for call in strategy.ask(history.live, 2):
        history.begin(call)
    assert strategy.ask(history.live, 4) == [Call("generate", (2,), 2)]
    history.live.memo.clear()
    assert strategy.ask(history.live, 4) == [Call("generate", (2,), 2)]


def test_a_node_widens_with_its_visits() -> None:
    """One child up to three visits, two from the fourth on: N ** 0.5."""
    strategy = MCTS(width=4, root_width=4, depth=9, widen_c=1.0, widen_alpha=0.5)
    history = begun(strategy)
    assert strategy.select(history.live) == 0
    chain = 0
    for _ in range(3):
        chain = grow(history, chain, 0.5)
        assert strategy.select(history.live) == chain
    grow(history, chain, 0.5)
    assert history.live.visits[0] == 4
    assert strategy.select(history.live) == 0


def test_a_node_widens_where_there_is_no_other_place() -> None:
    strategy = MCTS(width=2, root_width=2, depth=3, widen_c=0.1, widen_alpha=0.5)
    history = begun(strategy)
    grow(history, 0, 0.5, answer="42")
    assert strategy.ask(history.live, 1) == [Call("generate", (0,), 1)]


def test_the_root_is_sampled_again_by_chance_until_it_is_full() -> None:
    strategy = MCTS(width=1, root_width=3, depth=99, resample_root=0.3)
    history = begun(strategy)
    chain = grow(history, 0, 0.5)
    places = []
    for _ in range(60):
        (call,) = strategy.ask(history.live, 1)
        assert strategy.ask(history.live, 1) == [call]
        places.append(call.nodes[0])
        chain = grow(history, call.nodes[0], 0.5)
    assert places.count(0) == 2
    assert places[0] != 0 or places[1] != 0
    assert chain


@pytest.mark.parametrize(("parameter", "op"), [("prune_below", "prune"), ("backtrack_below", "backtrack")])
def test_what_is_too_weak_is_given_up_and_backed_up_all_the_same(parameter: str, op: str) -> None:
    strategy = MCTS.model_validate({parameter: 0.3})
    history = begun(strategy)
    weak, strong, answer = grow(history, 0), grow(history, 0), grow(history, 0, answer="42")
    for node, value in ((weak, 0.1), (strong, 0.3), (answer, 0.1)):
        history.tell(Evaluated(node=node, value=value))
    calls = strategy.ask(history.live, 4)
    assert [(call.op, call.nodes) for call in calls] == [
        (op, (weak,)),
        *[("backpropagate", (node,)) for node in (weak, strong, answer)],
    ]
    assert calls[0].reason == "value 0.1 below 0.3"
    event = Pruned(nodes=(weak,)) if op == "prune" else Backtracked(node=weak, to=0)
    history.tell(event)
    assert [call.op for call in strategy.ask(history.live, 4)] == ["backpropagate"] * 3, "it is given up once"
    assert history.live.openings[weak] == 0


def test_iterations_are_backed_up_evaluations() -> None:
    strategy = MCTS(iterations=2, confidence=None)
    history = begun(strategy)
    grow(history, 0, 0.5)
    assert strategy.stop(history.live) is None
    grow(history, 1, 0.5)
    assert strategy.stop(history.live) == "iterations"


def test_a_rule_of_backup_is_written_by_name_or_with_parameters() -> None:
    by_name = MCTS.model_validate({"backup": "x1"})
    assert by_name.backup_rule.to_row() == {"rule": "x1", "gamma": 0.96, "rate": 1.0}
    assert by_name == MCTS.model_validate({"backup": {"rule": "x1"}})
    assert MCTS().backup_rule.to_row() == {}


def test_widening_and_expanding_at_once_do_not_go_together() -> None:
    with pytest.raises(ValidationError, match="widen_c adds children one by one"):
        MCTS(widen_c=1.0, expand="all")
