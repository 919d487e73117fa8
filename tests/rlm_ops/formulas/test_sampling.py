from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import sampling as f
from reflectree.rlm_ops.formulas.posteriors import Beta

Rule = Callable[[list[float], Random], int]
RULES: dict[str, Rule] = {
    "epsilon_greedy": f.epsilon_greedy,
    "proportional": f.proportional,
    "softmax_sample": f.softmax_sample,
}


def shares(draw: Callable[[Random], int], n: int = 4000) -> dict[int, float]:
    rng = Random(11)
    return {index: count / n for index, count in Counter(draw(rng) for _ in range(n)).items()}


def test_thompson_prefers_the_better_arm_the_surer_it_is() -> None:
    doubtful = shares(lambda rng: f.thompson([Beta(2, 3), Beta(3, 2)], rng))
    sure = shares(lambda rng: f.thompson([Beta(80, 120), Beta(120, 80)], rng))
    assert doubtful[1] == pytest.approx(0.757, abs=0.03)  # P(Beta(3, 2) > Beta(2, 3)) = 53 / 70
    assert sure[1] > 0.999


def test_epsilon_greedy() -> None:
    assert shares(lambda rng: f.epsilon_greedy([0.1, 0.9, 0.5], rng, 0.3)) == pytest.approx(
        {0: 0.1, 1: 0.8, 2: 0.1}, abs=0.03
    )
    assert shares(lambda rng: f.epsilon_greedy([0.1, 0.9, 0.9], rng, 0.0)) == {1: 1.0}
    with pytest.raises(BadInput, match="probability"):
        f.epsilon_greedy([1.0], Random(0), 1.5)


def test_top_k_is_stable() -> None:
    assert f.top_k([0.5, 0.9, 0.5, 0.9], 3) == [1, 3, 0]
    assert f.top_k([0.5, math.nan, -math.inf], 5) == [0, 1, 2]
    assert f.top_k([], 2) == f.top_k([0.1], 0) == f.top_k([0.1], -1) == []


def test_proportional() -> None:
    assert shares(lambda rng: f.proportional([1.0, 3.0, 0.0, -2.0], rng)) == pytest.approx({0: 0.25, 1: 0.75}, abs=0.03)
    assert shares(lambda rng: f.proportional([1.0, 3.0], rng, 0.5)) == pytest.approx({0: 0.1, 1: 0.9}, abs=0.03)
    assert shares(lambda rng: f.proportional([0.0, 0.0], rng)) == pytest.approx({0: 0.5, 1: 0.5}, abs=0.03)
    assert shares(lambda rng: f.proportional([1e-200, 1e-200], rng, 1e-3)) == pytest.approx({0: 0.5, 1: 0.5}, abs=0.03)
    assert f.proportional([0.2, 0.5, 0.5], Random(0), 0.0) == 1
    assert f.proportional([0.2, math.inf], Random(0)) == 1


def test_softmax_sample() -> None:
    scores = [0.0, math.log(3)]
    assert shares(lambda rng: f.softmax_sample(scores, rng)) == pytest.approx({0: 0.25, 1: 0.75}, abs=0.03)
    assert shares(lambda rng: f.softmax_sample(scores, rng, 0.5)) == pytest.approx({0: 0.1, 1: 0.9}, abs=0.03)
    assert f.softmax_sample(scores, Random(0), 0.0) == 1
    assert f.softmax_sample([1e6, 0.0], Random(0), 1e-3) == 0
    assert f.softmax_sample([0.0, math.inf], Random(0)) == 1
    assert f.softmax_sample([-math.inf, math.nan], Random(0)) in (0, 1)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_nothing_to_select_from(rule: Rule) -> None:
    with pytest.raises(BadInput, match="nothing to select"):
        rule([], Random(0))
    with pytest.raises(BadInput, match="nothing to select"):
        f.thompson([], Random(0))


def test_negative_temperatures() -> None:
    with pytest.raises(BadInput, match="at least 0"):
        f.proportional([1.0], Random(0), -1.0)
    with pytest.raises(BadInput, match="at least 0"):
        f.softmax_sample([1.0], Random(0), -1.0)


@given(
    st.sampled_from(sorted(RULES)),
    st.lists(st.floats(-2, 2) | st.sampled_from([math.nan, math.inf, -math.inf]), min_size=1, max_size=6),
    st.integers(),
)
def test_the_same_seed_selects_the_same(name: str, scores: list[float], seed: int) -> None:
    chosen = RULES[name](scores, Random(seed))
    assert chosen in range(len(scores))
    assert chosen == RULES[name](scores, Random(seed))


def test_a_beam_keeps_the_best_of_those_that_are_the_same() -> None:
    scores = [0.3, 0.9, 0.8, 0.8, 0.1]
    assert f.beam_keep(scores, 3) == [1, 2, 3]
    assert f.beam_keep(scores, 3, keys=["a", "b", "b", "c", "a"]) == [1, 3, 0]
    assert f.beam_keep(scores, 9, keys=["a", "b", "b", "c", "a"]) == [1, 3, 0]
    assert f.beam_keep([], 3) == f.beam_keep(scores, 0) == []
    with pytest.raises(BadInput, match="one key a beam"):
        f.beam_keep(scores, 3, keys=["a"])
