"""Formulas of design search, held to the golden numbers of the cards."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import design as f
from reflectree.rlm_ops.formulas.scores import aflow_mixture


def test_aflow_s_parents() -> None:
    chances = aflow_mixture([0.6, 0.5, 0.4], uniform=0.3, alpha=0.2, scale=100.0)
    assert chances == pytest.approx([0.706769, 0.182117, 0.111113], abs=1e-6)


def test_gepa_s_front_without_the_dominated() -> None:
    a, b, c, d = [1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 0]
    assert f.pareto_counts([a, b, c, d]) == [0, 2, 2, 0]
    assert f.pareto_counts([d, c, b, a]) == [0, 2, 2, 0]


def test_a_front_of_equals_keeps_one() -> None:
    assert f.pareto_counts([[1.0, 0.0], [1.0, 0.0]]) == [2, 0]
    assert f.pareto_counts([]) == []
    with pytest.raises(BadInput, match="same examples"):
        f.pareto_counts([[1.0], [1.0, 0.0]])


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=4, max_size=4), min_size=1, max_size=8))
def test_the_front_covers_every_example(scores: list[list[float]]) -> None:
    counts = f.pareto_counts(scores)
    kept = [row for row, count in zip(scores, counts, strict=True) if count]
    assert [max(column) for column in zip(*kept, strict=True)] == [max(column) for column in zip(*scores, strict=True)]


def test_draws_follow_the_weights() -> None:
    rng = Random(0)
    drawn = [f.draw_one([0.0, 2.0, 2.0], rng) for _ in range(400)]
    assert 0 not in drawn
    assert 150 < drawn.count(1) < 250
    assert {f.draw_one([0.0, 0.0], rng) for _ in range(40)} == {0, 1}
    with pytest.raises(BadInput):
        f.draw_one([], rng)


@pytest.mark.parametrize(("candidates", "trials"), [(6, 20), (12, 28), (18, 33)])
def test_the_trials_of_mipro(candidates: int, trials: int) -> None:
    assert f.mipro_trials(candidates, 2, few_shot=True) == trials
    assert f.mipro_trials(1, 1, few_shot=False) == 1
    with pytest.raises(BadInput):
        f.mipro_trials(0, 1, few_shot=True)


def test_parzen_weights_prefer_what_the_best_trials_took() -> None:
    weights = f.tpe_weights([0, 1, 1, 2], [0.1, 0.9, 0.8, 0.2], 4)
    assert weights[1] == max(weights)
    assert weights[3] > weights[0]
    assert f.tpe_weights([], [], 2) == [1.0, 1.0]
    with pytest.raises(BadInput):
        f.tpe_weights([0], [], 2)


def test_the_gradient_of_an_edge() -> None:
    assert f.edge_gradient(0.5, True) == 0.5
    assert f.edge_gradient(0.5, False) == -0.5
    assert f.edge_gradient(0.25, True, 2.0) == 1.5
    p = f.sigmoid(0.3)
    slope = (math.log(f.sigmoid(0.3 + 1e-6)) - math.log(f.sigmoid(0.3 - 1e-6))) / 2e-6
    assert f.edge_gradient(p, True) == pytest.approx(slope, abs=1e-6)


def test_edges_of_good_graphs_become_likely() -> None:
    logits, rng = f.EdgeLogits([0.0, 0.0, 0.0]), Random(3)
    assert logits.probabilities == [0.5, 0.5, 0.5]
    for _ in range(60):
        batch: list[f.Sampled] = []
        for _ in range(4):
            edges = [rng.random() < chance for chance in logits.probabilities]
            batch.append(([*edges[:2], None], float(edges[0]) * 0.8 + 0.1 * float(not edges[1])))
        logits.learn(batch)
    first, second, third = logits.probabilities
    assert first > 0.9
    assert second < 0.5
    assert third == 0.5


def test_the_baseline_moves_and_an_empty_batch_changes_nothing() -> None:
    logits = f.EdgeLogits([0.0], decay=0.5)
    logits.learn([])
    assert (logits.steps, logits.baseline) == (0, None)
    logits.learn([([True], 1.0), ([False], 0.0)])
    assert logits.baseline == 0.5
    assert logits.logits[0] == pytest.approx(0.1)
    logits.learn([([True], 1.0)])
    assert logits.baseline == 0.75
    bare = f.EdgeLogits([0.0], decay=None)
    bare.learn([([False], 1.0)])
    assert bare.logits[0] == pytest.approx(-0.1)
