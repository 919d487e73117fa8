"""Advantages against the golden numbers, and the identities they must keep."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import advantages as a

number = st.floats(-10, 10)
group = st.lists(number, min_size=2, max_size=12)


def near(expected: float) -> object:
    return pytest.approx(expected, abs=1e-6)


def test_grpo_outcome_golden() -> None:
    assert a.grpo_outcome([1, 0, 0, 0]) == [near(1.732051)] + [near(-0.577350)] * 3
    assert a.grpo_outcome([1, 0, 0, 0], sample=True) == [near(1.5)] + [near(-0.5)] * 3
    assert a.grpo_outcome([1, 0, 0, 0], scale=False) == [near(0.75)] + [near(-0.25)] * 3


def test_grpo_process_golden() -> None:
    first, second = a.grpo_process([[0.9, 0.1], [0.5]])
    assert first == [near(0.0), near(-1.224745)]
    assert second == [near(0.0)]


@pytest.mark.parametrize("rewards", [[0.3] * 4, [1.0], [1e9, 1e9, 1e9]])
def test_a_group_without_spread_teaches_nothing(rewards: list[float]) -> None:
    assert a.grpo_outcome(rewards) == [0.0] * len(rewards)
    assert a.grpo_process([rewards]) == [[0.0] * len(rewards)]
    assert a.rloo(rewards) == [pytest.approx(0.0, abs=1e-6)] * len(rewards)


def test_rloo_golden() -> None:
    assert a.rloo([1, 0, 0, 0]) == [near(1.0)] + [near(-1 / 3)] * 3


def test_vineppo_golden() -> None:
    assert a.step_advantages([0.5, 0.75, 0.25], 1.0) == [near(0.25), near(-0.5), near(0.75)]


@given(group, number)
def test_step_advantages_telescope(values: list[float], reward: float) -> None:
    assert math.fsum(a.step_advantages(values, reward)) == pytest.approx(reward - values[0], abs=1e-9)


def test_step_advantages_want_one_reward_a_step() -> None:
    with pytest.raises(BadInput, match="2 step rewards for 1 steps"):
        a.step_advantages([0.5], 1.0, [0.0, 0.0])


@given(group)
def test_gae_at_its_ends(values: list[float]) -> None:
    rewards = [0.0] * (len(values) - 1) + [1.0]
    assert a.gae(rewards, values, lam=0.0) == pytest.approx(a.step_advantages(values, 1.0))
    assert a.gae(rewards, values, lam=1.0) == pytest.approx([1.0 - value for value in values])


def test_reft_rewards() -> None:
    assert [a.reft_reward(True, True), a.reft_reward(False, True), a.reft_reward(False, False)] == [1.0, 0.1, 0.0]


def test_implicit_rewards_golden() -> None:
    rewards = a.implicit_rewards([0.2, -0.1, 0.4])
    assert rewards == [near(0.01), near(-0.005), near(0.02)]
    assert -math.log(1 / (1 + math.exp(-sum(rewards)))) == near(0.680725)


def test_prime_by_hand() -> None:
    first, second = a.prime_advantages([[0.2, 0.4], [0.1]], [1.0, 0.0])
    assert first == [near((0.2 - 0.1) + (0.4 - 0.1) + 1.0), near((0.4 - 0.1) + 1.0)]
    assert second == [near(0.1 - 0.3 - 1.0)]
    with pytest.raises(BadInput, match="1 outcomes for 2 outputs"):
        a.prime_advantages([[0.1], [0.2]], [1.0])


def test_pav_golden() -> None:
    before, middle, after = 0.4, 0.5, 0.45
    assert [middle - before, after - middle] == [near(0.1), near(-0.05)]
    assert a.effective_reward(0.5, 0.1, alpha=3.0) == near(0.8)


@given(number, number)
def test_the_divergence_estimate_is_never_negative(logprob: float, reference: float) -> None:
    assert a.kl_estimate(logprob, reference) >= -1e-12
    assert a.kl_estimate(logprob, logprob) == 0.0


def test_suffix_sums_discount_later_values() -> None:
    assert a.suffix_sums([1.0, 2.0, 4.0], 0.5) == [3.0, 4.0, 4.0]
    assert a.suffix_sums([]) == []
