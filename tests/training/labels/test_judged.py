"""Labels of judges and people, and how far they agree."""

from __future__ import annotations

import math

import pytest
from tests.training.labels.growing import Tree, judge

from reflectree.training.labels import judged
from reflectree.training.labels.agreement import agreement, noise
from reflectree.training.labels.source import Source


def test_what_a_judge_said_in_the_run_is_a_label_and_what_others_said_is_not() -> None:
    tree = Tree()
    first = tree.grow("1")
    end = tree.grow("3", first, answer="3")
    tree.score(first, 0.5, source="judge")
    tree.score(first, 1.0, source="judge")
    tree.score(first, 0.0, source="verifier")
    tree.score(first, 0.0, source="judge", aside=True, how="difficulty")
    source = Source.of(tree.trace)
    (sample,) = judged.judged(source)
    assert sample.labels[0] == 0.75
    assert math.isnan(sample.labels[1])
    assert sample.origin.node == end
    assert [(made.steps, made.value) for made in judged.judged_prefixes(source)] == [(("1",), 0.75)]


def test_peoples_judgements_are_labels_and_name_the_first_error() -> None:
    tree = Tree()
    nodes = tree.chain("1", "3", "4", answer="4")
    source = Source.of(tree.trace, judge=judge, judgements={nodes[0]: 1.0, nodes[1]: 0.0, nodes[2]: 0.5})
    (sample,) = judged.human(source)
    assert (sample.labels, sample.origin.label) == ((1.0, 0.0, 0.5), "human")
    assert judged.first_judged_errors(source) == {nodes[2]: nodes[1]}
    assert judged.human(Source.of(tree.trace)) == []


def test_kappa_by_hand() -> None:
    """Cohen's table: 20 and 15 on the diagonal, 5 and 10 off it: observed .70, expected .50, kappa .40."""
    one = dict.fromkeys(range(25), 1.0) | dict.fromkeys(range(25, 50), 0.0)
    other = (
        dict.fromkeys(range(20), 1.0) | dict.fromkeys(range(20, 25), 0.0)
        | dict.fromkeys(range(25, 35), 1.0) | dict.fromkeys(range(35, 50), 0.0)
    )  # fmt: skip
    found = agreement(one, other | {99: 1.0})
    assert (found.n, found.observed, found.expected) == (50, 0.7, 0.5)
    assert found.kappa == pytest.approx(0.4)
    assert agreement(other, one) == found


def test_kappa_where_nothing_can_be_compared_or_all_is_the_same() -> None:
    assert agreement({1: 1.0}, {2: 1.0}).n == 0
    assert agreement({1: 1.0, 2: 0.9}, {1: 1.0, 2: 0.8}).kappa == 1.0
    assert agreement({1: 0.5, 2: 0.0}, {1: 0.4, 2: 0.9}).observed == 0.5
    assert agreement({1: 1.0, 2: 0.0}, {1: 0.0, 2: 1.0}).kappa == -1.0


def test_noise_where_the_truth_is_known() -> None:
    found = noise({1: 1.0, 2: 0.0, 3: 0.6, 4: 0.2, 9: 1.0}, {1: True, 2: True, 3: False, 4: False})
    assert (found.n, found.wrong_as_right, found.right_as_wrong, found.accuracy) == (4, 0.5, 0.5, 0.5)
    assert noise({}, {}).accuracy == 0.0
