"""Monte Carlo labels: the golden numbers, what is asked for, and how noisy they are where the truth is known."""

from __future__ import annotations

import math
from random import Random

import pytest
from tests.training.labels.growing import Counting, Tree, judge, steps_to

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.labels import monte_carlo
from reflectree.training.labels.agreement import noise
from reflectree.training.labels.source import Source


def test_three_of_eight_completions_right() -> None:
    outcomes = [1, 0, 0, 1, 0, 0, 1, 0]
    assert monte_carlo.hard(outcomes) == 1.0
    assert monte_carlo.soft(outcomes) == 0.375
    assert monte_carlo.hard([0.0, 0.9]) == 0.0
    with pytest.raises(BadInput, match="roll out at least one"):
        monte_carlo.soft([])


def test_the_answer_is_its_own_completion_and_steps_without_completions_have_no_label() -> None:
    tree = Tree()
    tree.chain("1", "2", "4", answer="4")
    source = Source.of(tree.trace, judge=judge, rollouts={0: [1, 0], 1: [1, 0, 0, 1, 0, 0, 1, 0]})
    (soft,), (hard,) = monte_carlo.math_shepherd_soft(source), monte_carlo.math_shepherd_hard(source)
    assert soft.labels[0] == 0.375
    assert math.isnan(soft.labels[1])
    assert soft.labels[2] == 0.0
    assert (hard.labels[0], hard.labels[2]) == (1.0, 0.0)
    assert soft.origin.label == "math-shepherd/soft"
    assert [(sample.steps, sample.value) for sample in monte_carlo.rollout_values(source)] == [
        ((), 0.5),
        (("1",), 0.375),
        (("1", "2", "4"), 0.0),
    ]


def test_what_wants_completions() -> None:
    tree = Tree()
    tree.chain("1", "2", "4", answer="4")
    tree.grow("dead end")
    source = Source.of(tree.trace, judge=judge, rollouts={1: [1]})
    assert [node for node, _ in monte_carlo.wanted(source)] == [2]
    assert [node for node, _ in monte_carlo.wanted(source, root=True, open_paths=True)] == [0, 2, 4]
    ((_, path),) = monte_carlo.wanted(source)
    assert [step.text for step in path.steps] == ["1", "2"]


def test_the_tree_itself_as_rollouts() -> None:
    tree = Tree()
    first = tree.grow("1")
    tree.chain("3", under=first, answer="3")
    tree.chain("2", "4", under=first, answer="4")
    tree.chain("so 5", under=first, answer="5")
    source = Source.of(tree.trace, judge=judge)
    assert [sample.labels for sample in monte_carlo.tree_soft(source)] == [
        (1 / 3, 1.0),
        (1 / 3, 0.0, 0.0),
        (1 / 3, 0.0),
    ]
    assert [sample.labels for sample in monte_carlo.tree_hard(source)] == [(1.0, 1.0), (1.0, 0.0, 0.0), (1.0, 0.0)]


def test_progress_under_a_prover() -> None:
    tree = Tree()
    tree.chain("1", "2", "x", answer="4")
    source = Source.of(tree.trace, judge=judge, rollouts={0: [0.4], 1: [0.5], 2: [0.45]})
    (sample,) = monte_carlo.pav(source)
    assert sample.labels == pytest.approx((0.55, 0.475, 0.275))  # progress +.10, -.05 (golden), -.45


@pytest.mark.parametrize("k", [1, 4, 8])
def test_label_noise_is_what_chance_makes_it(k: int) -> None:
    """Hard labels call a lost prefix right by luck, more often the more is rolled out; and a sound one wrong, less."""
    toy, random, runs = Counting(steps=6, skill=0.8), Random(k), 150
    labels: dict[tuple[int, int], float] = {}
    softs: dict[tuple[int, int], float] = {}
    truth: dict[tuple[int, int], bool] = {}
    wrong_as_right: list[float] = []
    right_as_wrong: list[float] = []
    for run in range(runs):
        steps = steps_to(random.randrange(1, 7), 6)
        tree = Tree()
        tree.chain(*steps, answer=steps[-1])
        source = Source.of(tree.trace, judge=lambda answer: float(answer == "6"))
        rollouts = {
            node: [toy.complete(source.texts(node), random).reward for _ in range(k)]
            for node, _ in monte_carlo.wanted(source)
        }
        source = Source.of(tree.trace, judge=lambda answer: float(answer == "6"), rollouts=rollouts)
        (hard,), (soft,) = monte_carlo.math_shepherd_hard(source), monte_carlo.math_shepherd_soft(source)
        for at, (tight, loose) in enumerate(zip(hard.labels[:-1], soft.labels[:-1], strict=True), 1):
            labels[run, at], softs[run, at] = tight, loose
            truth[run, at] = toy.truth(steps[:at])
            lucky = 1.0 - (1.0 - toy.chance(steps[:at])) ** k
            (right_as_wrong if truth[run, at] else wrong_as_right).append(1.0 - lucky if truth[run, at] else lucky)
    found = noise(labels, truth)
    expected = sum(wrong_as_right) / len(wrong_as_right), sum(right_as_wrong) / len(right_as_wrong)
    assert found.n == 5 * runs
    assert (found.wrong_as_right, found.right_as_wrong) == pytest.approx(expected, abs=0.07)
    if k == 8:  # with many completions luck finds its way from nearly anywhere: the soft label at a half is less noisy
        assert found.wrong_as_right > 0.5
        assert noise(softs, truth, 0.5).accuracy > found.accuracy
