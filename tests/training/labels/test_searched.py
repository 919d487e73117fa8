"""Labels from backed-up values: q with visit weights, TD(lambda) and n-step targets."""

from __future__ import annotations

import pytest
from tests.training.labels.growing import Tree, judge

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.labels import searched
from reflectree.training.labels.source import Source


def test_q_is_weighted_by_visits_and_rarely_visited_steps_are_left_out() -> None:
    tree = Tree()
    first = tree.grow("1", value=0.5)
    tree.grow("2", first, value=0.25)
    tree.grow("3", first, answer="3", value=0.75)
    tree.grow("7", value=0.0)
    samples = {sample.origin.node: sample for sample in searched.search_values(Source.of(tree.trace))}
    assert {node: sample.value for node, sample in samples.items()} == {first: 0.5, 3: 0.75}
    assert (samples[first].weight, samples[3].weight) == (1.0, 1 / 3)
    every = searched.search_values(Source.of(tree.trace), least_visits=1)
    assert [sample.origin.node for sample in every] == [1, 2, 3, 4]
    assert [sample.labels for sample in searched.search_steps(Source.of(tree.trace))] == [
        (0.5, 0.25),
        (0.5, 0.75),
        (0.0,),
    ]


def test_the_runs_own_backup_rule_counts() -> None:
    tree = Tree(backup={"rule": "max"})
    first = tree.grow("1", value=0.5)
    tree.grow("2", first, value=0.25)
    tree.grow("3", first, value=0.75)
    assert searched.backed_up(Source.of(tree.trace))[first] == 0.75


def test_lambda_targets_by_hand() -> None:
    values = [0.2, 0.4, 0.6, 0.0]
    assert searched.lambda_targets(values, 1.0, lam=1.0) == [1.0, 1.0, 1.0, 1.0]
    assert searched.lambda_targets(values, 1.0, lam=0.0) == [0.4, 0.6, 1.0, 1.0]
    half = searched.lambda_targets(values, 1.0, lam=0.5)
    assert half == pytest.approx([0.5 * 0.4 + 0.5 * 0.8, 0.5 * 0.6 + 0.5 * 1.0, 1.0, 1.0])
    assert searched.lambda_targets(values, 1.0, lam=1.0, gamma=0.5) == [0.125, 0.25, 0.5, 1.0]
    assert searched.lambda_targets([0.3], 1.0) == [1.0]
    assert searched.lambda_targets([], 1.0) == []


def test_n_step_targets_by_hand() -> None:
    values = [0.2, 0.4, 0.6, 0.0]
    assert searched.n_step_targets(values, 1.0, n=1) == [0.4, 0.6, 1.0, 1.0]
    assert searched.n_step_targets(values, 1.0, n=2, gamma=0.5) == pytest.approx([0.15, 0.25, 0.5, 1.0])
    assert searched.n_step_targets(values, 1.0, n=9) == [1.0] * 4
    with pytest.raises(BadInput, match="n=0"):
        searched.n_step_targets(values, 1.0, n=0)


def test_targets_of_a_shared_prefix_are_averaged_and_outcomes_overrule_values() -> None:
    tree = Tree()
    first = tree.grow("1", value=0.5)
    tree.grow("3", first, answer="3", value=0.1)
    tree.grow("4", first, answer="4", value=0.9)
    source = Source.of(tree.trace, judge=judge)
    assert [sample.value for sample in searched.td_lambda(source)] == [0.5, 1.0, 0.0]
    assert [sample.value for sample in searched.td_lambda(Source.of(tree.trace))] == pytest.approx([0.5, 0.1, 0.9])
    assert [sample.value for sample in searched.n_step(source)] == [0.5, 1.0, 0.0]
