"""ReST-MCTS*'s labels: the golden row, dead branches, and the simple mode."""

from __future__ import annotations

import pytest
from tests.training.labels.growing import Tree, judge

from reflectree.training.labels import rest
from reflectree.training.labels.source import Source


def golden() -> tuple[Tree, list[int], int]:
    tree = Tree()
    route = tree.chain("1", "2", "3", answer="3")
    wrong = tree.grow("5", route[0])
    return tree, route, wrong


def test_the_golden_row() -> None:
    tree, route, wrong = golden()
    source = Source.of(tree.trace, judge=judge)
    values = rest.process_values(source)
    assert [values[node] for node in route] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert values[wrong] == pytest.approx(1 / 9)  # it inherits m = 3 of the step above it
    assert rest.distances(source) == {0: 4, 1: 3, 2: 2, 3: 1}
    assert [sample.value for sample in rest.rest_mcts(source)] == pytest.approx([1 / 3, 2 / 3, 1.0, 1 / 9])
    (steps,) = rest.rest_mcts_steps(source)
    assert steps.labels == pytest.approx((1 / 3, 2 / 3, 1.0))


def test_the_nearest_right_answer_counts_and_dead_branches_sink() -> None:
    tree, route, _ = golden()
    near = tree.grow("3 at once", route[0], answer="3")
    dead = tree.chain("7", "8", "9", answer="9")
    values = rest.process_values(Source.of(tree.trace, judge=judge))
    assert values[route[0]] == pytest.approx(1 / 2)
    assert values[near] == 1.0
    assert [values[node] for node in dead] == [0.0, 0.0, 0.0]


def test_without_a_right_answer_all_is_worth_nothing_and_without_any_verdict_nothing_is_said() -> None:
    tree = Tree()
    tree.chain("7", "8", answer="8")
    assert rest.process_values(Source.of(tree.trace, judge=judge)) == {1: 0.0, 2: 0.0}
    assert rest.process_values(Source.of(tree.trace)) == {}


def test_the_simple_mode_labels_the_route_and_what_stands_beside_it() -> None:
    tree, route, wrong = golden()
    off = tree.grow("6", wrong)
    aside = tree.grow("4", route[1], answer="4")
    labels = {sample.origin.node: sample.value for sample in rest.rest_mcts_simple(Source.of(tree.trace, judge=judge))}
    assert labels == pytest.approx({1: 1 / 3, 2: 2 / 3, 3: 1.0, wrong: 1 / 3, aside: 2 / 3})
    assert off not in labels
    tree = Tree()
    tree.chain("7", answer="8")
    assert rest.rest_mcts_simple(Source.of(tree.trace, judge=judge)) == []


def test_the_simple_route_is_that_of_the_runs_answer_where_it_is_right() -> None:
    tree, route, _ = golden()
    tree.grow("3", answer="3")
    values = {sample.origin.node: sample.value for sample in rest.rest_mcts_simple(Source.of(tree.trace, judge=judge))}
    assert values[5] == 1.0
    values = {
        sample.origin.node: sample.value
        for sample in rest.rest_mcts_simple(Source.of(tree.end(route[-1]).trace, judge=judge))
    }
    assert values[route[0]] == pytest.approx(1 / 3)
    assert values[5] == 0.0
