from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.consensus import beta_majority, betainc, dirichlet_majority


@pytest.mark.parametrize(
    ("a", "b", "x", "value"),
    [
        (1, 1, 0.3, 0.3),
        (2, 2, 0.5, 0.5),
        (2, 3, 0.4, 0.5248),  # P(Binomial(4, 0.4) >= 2)
        (0.5, 0.5, 0.25, 1 / 3),  # arcsine law: 2 / pi * asin(sqrt(x))
        (5, 1, 0.5, 1 / 32),
        (1, 7, 0.1, 1 - 0.9**7),
        (2.5, 1, 0.49, 0.7**5),
        (10, 20, 0.0, 0.0),
        (10, 20, 1.0, 1.0),
    ],
)
def test_betainc_against_known_values(a: float, b: float, x: float, value: float) -> None:
    assert betainc(a, b, x) == pytest.approx(value, abs=1e-13)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.01, 0.99))
def test_betainc_is_a_binomial_tail(a: int, b: int, x: float) -> None:
    n = a + b - 1
    tail = math.fsum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert betainc(a, b, x) == pytest.approx(tail, abs=1e-12)


@given(st.floats(0.1, 500), st.floats(0.1, 500), st.integers(0, 1024).map(lambda k: k / 1024))
def test_betainc_is_symmetric_and_a_probability(a: float, b: float, x: float) -> None:
    value = betainc(a, b, x)
    assert 0.0 <= value <= 1.0 + 1e-12
    assert value + betainc(b, a, 1.0 - x) == pytest.approx(1.0, abs=1e-9)


def test_betainc_of_nothing() -> None:
    for a, b, x in ((0, 1, 0.5), (1, -1, 0.5), (1, 1, 1.5), (1, 1, math.nan)):
        with pytest.raises(BadInput, match="needs a > 0"):
            betainc(a, b, x)


def exactly(first: int, second: int) -> float:
    """The Beta rule in whole numbers: the sum of C(n, k) up to k = v1, n = v1 + v2 + 1, over 2 ** n."""
    n = first + second + 1
    return float(sum(math.comb(n, k) for k in range(first + 1)) / 2**n)


def test_the_beta_rule_by_hand() -> None:
    assert beta_majority([]) == 0.5
    assert beta_majority([1]) == pytest.approx(0.75)
    assert beta_majority([3]) == pytest.approx(15 / 16)
    assert beta_majority([4]) == pytest.approx(31 / 32)
    assert beta_majority([2, 2]) == pytest.approx(0.5)
    assert beta_majority([1, 5, 0, 2]) == beta_majority([5, 2])
    assert beta_majority([2.5, 1.5]) == pytest.approx(1 - betainc(3.5, 2.5, 0.5))


@given(st.integers(0, 300), st.integers(0, 300))
def test_both_rules_of_two_answers_are_exact(first: int, second: int) -> None:
    expected = exactly(max(first, second), min(first, second))
    assert beta_majority([first, second]) == pytest.approx(expected, abs=1e-11)
    assert dirichlet_majority([first, second]) == pytest.approx(expected, abs=1e-11)


def test_the_dirichlet_rule_of_equals_is_fair() -> None:
    for answers in (3, 4, 7):
        for votes in (1, 5, 40):
            assert dirichlet_majority([votes] * answers) == pytest.approx(1 / answers, abs=1e-6)


def test_the_dirichlet_rule_by_hand() -> None:
    # votes 2, 1, 1 by hand, in whole numbers: see `by_expansion`
    assert dirichlet_majority([2, 1, 1]) == pytest.approx(by_expansion([2, 1, 1]), abs=1e-6)


@given(st.lists(st.integers(1, 6), min_size=3, max_size=5))
def test_the_dirichlet_rule_against_an_exact_expansion(votes: list[int]) -> None:
    votes.sort(reverse=True)
    assert dirichlet_majority(votes) == pytest.approx(by_expansion(votes), abs=2e-6)


def by_expansion(votes: list[int]) -> float:
    """P(Gamma(v1 + 1) is largest), each F_j expanded as 1 - e^-x * (1 + x + ... + x^vj / vj!)."""
    # terms: coefficient of x^power * e^(-rate * x)
    terms = {(votes[0], 1): 1.0 / math.factorial(votes[0])}
    for other in votes[1:]:
        grown: dict[tuple[int, int], float] = {}
        for (power, rate), coefficient in terms.items():
            grown[power, rate] = grown.get((power, rate), 0.0) + coefficient
            for k in range(other + 1):
                key = (power + k, rate + 1)
                grown[key] = grown.get(key, 0.0) - coefficient / math.factorial(k)
        terms = grown
    return math.fsum(c * math.factorial(power) / rate ** (power + 1) for (power, rate), c in terms.items())


def test_the_dirichlet_rule_against_draws() -> None:
    drawn = np.random.default_rng(0).dirichlet([11, 8, 2], size=200_000)
    assert dirichlet_majority([10, 7, 1]) == pytest.approx(float((drawn.argmax(axis=1) == 0).mean()), abs=0.004)


def test_many_votes() -> None:
    assert dirichlet_majority([3000, 2000, 1000]) == pytest.approx(1.0, abs=1e-6)
    assert dirichlet_majority([3000, 3000, 1]) == pytest.approx(0.5, abs=1e-6)
    assert beta_majority([100_000, 99_900]) == pytest.approx(0.5886, abs=1e-3)


def test_the_dirichlet_rule_is_the_more_careful() -> None:
    for votes in ([3, 1, 1], [8, 4, 3, 2], [20, 11, 10]):
        assert dirichlet_majority(votes) < beta_majority(votes)


def test_negative_votes() -> None:
    for rule in (beta_majority, dirichlet_majority):
        with pytest.raises(BadInput, match="at least 0"):
            rule([3, -1])
    with pytest.raises(BadInput, match="whole votes"):
        dirichlet_majority([3, 1.5, 1])
