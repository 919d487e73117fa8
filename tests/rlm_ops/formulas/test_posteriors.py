from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.posteriors import Beta, Gaussian, Moments, wider_or_deeper

scores = st.lists(st.floats(0, 1), max_size=6)


@given(scores, scores)
def test_moments_add_up(first: list[float], second: list[float]) -> None:
    both, together = Moments.of(first) + Moments.of(second), Moments.of(first + second)
    assert both.count == together.count
    assert both.mean == pytest.approx(together.mean)
    assert both.scatter == pytest.approx(together.scatter, abs=1e-12)


@given(scores, scores)
def test_beliefs_are_the_same_whether_scores_come_together_or_apart(first: list[float], second: list[float]) -> None:
    apart = Gaussian().given(Moments.of(first)).given(Moments.of(second))
    together = Gaussian().given(Moments.of(first + second))
    assert apart.mean == pytest.approx(together.mean)
    assert (apart.kappa, apart.nu) == (together.kappa, together.nu)
    assert apart.tau2 == pytest.approx(together.tau2)
    beta, at_once = Beta().given(Moments.of(first)).given(Moments.of(second)), Beta().given(Moments.of(first + second))
    assert (beta.a, beta.b) == pytest.approx((at_once.a, at_once.b))


def test_the_conjugate_updates_by_hand() -> None:
    # scores 0.4 and 0.8: mean 0.6, sum of squares 0.08; prior of TreeQuest
    seen = Moments.of([0.4, 0.8])
    belief = Gaussian().given(seen)
    assert (belief.mean, belief.kappa, belief.nu) == pytest.approx((0.4, 3, 3))
    assert belief.tau2 == pytest.approx((0.1 + 0.08 + 2 * 0.36 / 3) / 3)
    beta = Beta().given(seen)
    assert (beta.a, beta.b) == pytest.approx((1.7, 1.3))
    assert Gaussian().given(Moments()) == Gaussian()
    assert Beta().given(Moments()) == Beta()


def test_gaussian_draws_have_student_s_moments() -> None:
    # the mean's marginal is Student's t: variance tau2 / kappa * nu / (nu - 2)
    belief, rng, n = Gaussian(0.3, 4.0, 12.0, 0.1), Random(0), 20_000
    draws = [belief.draw(rng) for _ in range(n)]
    mean = sum(draws) / n
    assert mean == pytest.approx(0.3, abs=0.005)
    assert sum((x - mean) ** 2 for x in draws) / n == pytest.approx(0.1 / 4 * 12 / 10, rel=0.05)
    assert all(math.isfinite(Gaussian(nu=1e-6).draw(rng)) for _ in range(100))


def test_beta_draws_have_beta_s_mean() -> None:
    rng = Random(0)
    belief = Beta(1.7, 1.3)
    assert sum(belief.draw(rng) for _ in range(20_000)) / 20_000 == pytest.approx(1.7 / 3, abs=0.005)
    with pytest.raises(BadInput, match="from 0 to 1"):
        Beta().given(Moments.of([5.0]))


def share_wider(own: list[float | None], below: list[Moments], prior: Gaussian | Beta) -> float:
    rng = Random(7)
    return sum(wider_or_deeper(own, below, rng, prior) is None for _ in range(600)) / 600


@pytest.mark.parametrize("prior", [Gaussian(), Beta()])
def test_wider_where_new_answers_are_good_deeper_where_refining_helps(prior: Gaussian | Beta) -> None:
    good, bad = Moments.of([0.9] * 12), Moments.of([0.1] * 12)
    assert share_wider([0.9] * 12, [bad] + [Moments()] * 11, prior) > 0.9
    assert share_wider([0.1] * 12, [good] + [Moments()] * 11, prior) < 0.1


def test_deeper_goes_to_the_promising_child() -> None:
    rng = Random(3)
    below = [Moments.of([0.2] * 8), Moments.of([0.9] * 8), Moments.of([0.3] * 8)]
    chosen = [wider_or_deeper([0.1, 0.1, 0.1], below, rng) for _ in range(400)]
    deeper = [child for child in chosen if child is not None]
    assert len(deeper) > 100
    assert deeper.count(1) / len(deeper) > 0.8


def test_the_start_is_always_wider() -> None:
    assert wider_or_deeper([], [], Random(0)) is None
    assert {wider_or_deeper([None], [Moments()], Random(seed)) for seed in range(40)} == {None, 0}
    with pytest.raises(BadInput, match="a child"):
        wider_or_deeper([0.5], [], Random(0))


@given(st.lists(st.none() | st.floats(0, 1), max_size=4), st.integers())
def test_the_same_seed_makes_the_same_choice(own: list[float | None], seed: int) -> None:
    below = [Moments.of([0.5] * index) for index in range(len(own))]
    chosen = wider_or_deeper(own, below, Random(seed), Beta())
    assert chosen == wider_or_deeper(own, below, Random(seed), Beta())
    assert chosen is None or 0 <= chosen < len(own)
