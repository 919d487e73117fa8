"""A new design is taken by a probability, never by a raw comparison."""

import pytest

from reflectree.graphs.design_search.acceptance import RULES, Rule, accepts, beta_probability, probability
from reflectree.rlm_ops.errors import BadInput


def scores(right: int, n: int) -> list[float]:
    return [1.0] * right + [0.0] * (n - right)


def test_golden_beta_posterior() -> None:
    """`research/memory-and-agents.md`, section 0.1."""
    assert beta_probability(14, 20, 10, 20) == pytest.approx(0.896, abs=5e-4)
    assert probability(scores(10, 20), scores(14, 20), "beta") == pytest.approx(0.896, abs=5e-4)


@pytest.mark.parametrize(("new", "old", "n"), [(0, 0, 5), (5, 5, 5), (3, 3, 7)])
def test_equal_counts_are_an_even_chance(new: int, old: int, n: int) -> None:
    assert beta_probability(new, n, old, n) == pytest.approx(0.5, abs=1e-3)


def test_three_of_three_is_as_sure_as_the_posterior_says() -> None:
    assert probability([0.0] * 3, [1.0] * 3, "bootstrap") == pytest.approx(0.9375, abs=0.02)
    assert probability([0.0] * 3, [1.0] * 3, "sign") == pytest.approx(1 - 1 / 8)


@pytest.mark.parametrize("rule", RULES)
def test_one_better_example_of_twenty_is_not_enough(rule: Rule) -> None:
    assert not accepts(scores(10, 20), scores(11, 20), rule)


@pytest.mark.parametrize("rule", RULES)
def test_a_clear_gain_is_taken_and_a_loss_is_not(rule: Rule) -> None:
    assert accepts(scores(6, 20), scores(16, 20), rule)
    assert not accepts(scores(16, 20), scores(6, 20), rule)


def test_the_sign_test_is_exact() -> None:
    old, new = scores(2, 10), [0.0, 0.0, *[1.0] * 7, 0.0]
    assert probability(old, new, "sign") == pytest.approx(1 - (36 + 9 + 1) / 512)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(BadInput, match="same examples"):
        accepts([1.0], [1.0, 0.0])
    with pytest.raises(BadInput, match="acceptance rule 'more'"):
        probability([1.0], [1.0], "more")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"level=0\.3"):
        accepts([1.0], [1.0], "sign", 0.3)
    with pytest.raises(BadInput, match="cannot be"):
        beta_probability(3, 2, 0, 2)
    with pytest.raises(BadInput, match="there are none"):
        probability([], [], "beta")
