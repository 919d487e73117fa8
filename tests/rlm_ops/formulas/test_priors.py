from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import priors as f


def test_priors_at_their_edges() -> None:
    assert f.length_normalised_prior([], []) == []
    assert f.length_normalised_prior([-math.inf, -math.inf], [3, 3]) == [0.5, 0.5]
    assert f.length_normalised_prior([-math.inf, -1.0], [3, 3]) == [0.0, 1.0]
    assert f.length_normalised_prior([0.0, 0.0], [0, 5]) == [0.5, 0.5]
    with pytest.raises(ValueError, match="zip"):
        f.length_normalised_prior([-1.0], [1, 2])


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=8))
def test_a_softmax_is_a_distribution(scores: list[float]) -> None:
    weights = f.softmax(scores)
    assert sum(weights) == pytest.approx(1.0)
    assert max(range(len(scores)), key=weights.__getitem__) == weights.index(weights[scores.index(max(scores))])


@given(st.integers(1, 9), st.floats(1e-4, 20), st.integers())
def test_a_dirichlet_draw_is_a_distribution(size: int, alpha: float, seed: int) -> None:
    drawn = f.dirichlet(size, alpha, Random(seed))
    assert len(drawn) == size
    assert min(drawn) >= 0
    assert sum(drawn) == pytest.approx(1.0)
    assert drawn == f.dirichlet(size, alpha, Random(seed))


def test_dirichlet_has_the_right_mean_and_variance() -> None:
    rng, alpha, size, n = Random(1), 0.3, 4, 4000
    first = [f.dirichlet(size, alpha, rng)[0] for _ in range(n)]
    mean = sum(first) / n
    variance = sum((x - mean) ** 2 for x in first) / n
    assert mean == pytest.approx(1 / size, abs=0.02)
    assert variance == pytest.approx((1 / size) * (1 - 1 / size) / (size * alpha + 1), rel=0.08)


def test_dirichlet_at_its_edges() -> None:
    assert f.dirichlet(0, 1.0, Random(0)) == []
    assert sorted(f.dirichlet(3, 1e-320, Random(0))) == [0.0, 0.0, 1.0]
    with pytest.raises(BadInput, match="above 0"):
        f.dirichlet(3, 0.0, Random(0))


def test_root_noise_is_a_quarter() -> None:
    priors = [0.7, 0.2, 0.1]
    noise = f.dirichlet(3, 0.3, Random(5))
    expected = [0.75 * p + 0.25 * eta for p, eta in zip(priors, noise, strict=True)]
    assert f.root_noise(priors, Random(5)) == pytest.approx(expected)
    assert f.root_noise(priors, Random(5), weight=0.0) == priors
    assert f.root_noise([], Random(5)) == []


def test_visit_policy() -> None:
    assert f.visit_policy([1, 3]) == [0.25, 0.75]
    assert f.visit_policy([1, 3], temperature=0.5) == pytest.approx([0.1, 0.9])
    assert f.visit_policy([2, 3, 3], temperature=0) == [0.0, 0.5, 0.5]
    assert f.visit_policy([0, 0]) == [0.5, 0.5]
    assert f.visit_policy([]) == []
    assert f.visit_policy([10**6, 10**6 - 1], temperature=1e-9) == pytest.approx([1.0, 0.0])
    with pytest.raises(BadInput, match="at least 0"):
        f.visit_policy([1], temperature=-1)
