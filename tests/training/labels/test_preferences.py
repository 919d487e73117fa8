"""Pairs from the search: which are made, what they share, and which are not told apart enough."""

from __future__ import annotations

from random import Random

import pytest
from tests.training.labels.growing import Tree, judge

from reflectree.rlm_ops.events import Evaluated
from reflectree.training.labels import preferences
from reflectree.training.labels.source import Source


def test_siblings_are_paired_by_margin_the_clearest_first() -> None:
    tree = Tree()
    first = tree.grow("1")
    for text, value in (("a", 0.9), ("b", 0.5), ("c", 0.1), ("A ", 0.0)):
        tree.grow(text, first, value=value)
    source = Source.of(tree.trace)
    samples = preferences.siblings(source, margin=0.3)
    assert [(s.steps, s.chosen, s.rejected, s.values) for s in samples] == [
        (("1",), ("a",), ("c",), (0.9, 0.1)),
        (("1",), ("b",), ("A ",), (0.5, 0.0)),
        (("1",), ("a",), ("b",), (0.9, 0.5)),
        (("1",), ("b",), ("c",), (0.5, 0.1)),
    ]  # `a` against `A ` says the same twice
    assert samples[0].origin.node == 2
    assert len(preferences.siblings(source, margin=0.3, most=1)) == 1
    assert preferences.siblings(source, margin=0.95) == []
    assert preferences.siblings(source, least_visits=2) == []


LONG = "a step told at some length, so that texts are far apart: "


def test_rstar_pairs_best_steps_on_right_paths_with_worst_on_wrong_ones() -> None:
    tree = Tree()
    steps = {}
    for name, text, answer, value in (
        ("best", LONG + "one", "3", 0.9),
        ("good", "quite another way to go about it, twice", "3", 0.8),
        ("fair", "a third way", "3", 0.6),
        ("bad", "something wrong and much different", "4", 0.1),
        ("worse", "wrong as well, but in words of its own", "5", 0.0),
        ("near", LONG + "two", "6", 0.05),
    ):
        steps[name] = tree.grow(text, value=value)
        tree.grow(f"so it is {answer}", steps[name], answer=answer, value=value)
    tree.grow("open, found nothing, and worth nothing", value=0.0)
    samples = preferences.rstar_math(Source.of(tree.trace, judge=judge))
    first = [(s.origin.node, s.rejected[0]) for s in samples if len(s.chosen) == 1]
    texts = {name: tree.live.steps[node].text for name, node in steps.items()}
    # best and near are only a few letters apart; open steps lead to no answer
    assert first == [(steps["best"], texts["worse"]), (steps["good"], texts["worse"]), (steps["good"], texts["near"])]
    whole = [s for s in samples if len(s.chosen) == 2]
    assert {s.chosen[1] for s in whole} == {"so it is 3"}
    assert all(s.values is not None and 2 * (s.values[0] - s.values[1]) >= 0.5 for s in samples)
    assert preferences.rstar_math(Source.of(tree.trace, judge=judge), margin=1.9) == []


def test_the_margin_is_on_the_papers_scale() -> None:
    tree = Tree()
    for text, answer, value in ((LONG + "right", "3", 0.62), ("short and wrong, with other words", "4", 0.38)):
        tree.grow("so", tree.grow(text, value=value), answer=answer)
    source = Source.of(tree.trace, judge=judge)
    assert preferences.rstar_math(source) == []  # .24 here is .48 there
    assert len(preferences.rstar_math(source, margin=0.48)) == 1


def test_compared_solutions_are_paired_where_the_judge_is_sure() -> None:
    tree = Tree()
    for answer in ("3", "4", "5"):
        tree.grow(f"it is {answer}", answer=answer)
    for a, b, chance in ((1, 2, 0.9), (2, 1, 0.2), (2, 3, 0.55), (3, 1, 0.1)):
        tree.tell(Evaluated(node=a, against=b, value=chance))
    samples = preferences.berry(Source.of(tree.trace))
    assert [(s.chosen, s.rejected) for s in samples] == [
        (("it is 3",), ("it is 4",)),
        (("it is 3",), ("it is 5",)),
    ]
    assert samples[0].values == pytest.approx((0.85, 0.15))  # both orders count


def test_outcome_pairs_take_every_answer_before_any_twice() -> None:
    tree = Tree()
    tree.chain("1", "2", "3", answer="3")
    tree.chain("1", "2", "4", answer="4")
    tree.grow("it is 3", answer="3")
    tree.grow("it is 5", answer="5")
    samples = preferences.outcomes(Source.of(tree.trace, judge=judge))
    assert [(s.steps, s.chosen, s.rejected) for s in samples] == [
        (("1", "2"), ("3",), ("4",)),
        ((), ("it is 3",), ("it is 5",)),
        ((), ("1", "2", "3"), ("it is 5",)),
        ((), ("it is 3",), ("1", "2", "4")),
    ]
    assert len(preferences.outcomes(Source.of(tree.trace, judge=judge), most=1)) == 1


def _distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]


def test_the_banded_edit_distance_agrees_with_the_plain_one() -> None:
    random = Random(0)
    for _ in range(300):
        a, b = ("".join(random.choice("ab") for _ in range(random.randrange(15))) for _ in range(2))
        for least in (0, 1, 2, 4, 7):
            assert preferences.far_apart(a, b, least) == (_distance(a, b) >= least)
