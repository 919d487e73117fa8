"""Prices are known or unknown, never guessed."""

from __future__ import annotations

import pytest

from reflectree.models.base import Price
from reflectree.models.prices import PRICES, price_of


def test_longest_entry_counts() -> None:
    assert price_of("openai/gpt-4o-mini") == Price(0.15, 0.60)
    assert price_of("openai/gpt-4o") == Price(2.50, 10.00)


def test_a_release_date_may_follow() -> None:
    assert price_of("openai/gpt-4o-mini-2024-07-18") == price_of("openai/gpt-4o-mini")
    assert price_of("openai/gpt-4o-2024-05-13") == Price(5.00, 15.00)


@pytest.mark.parametrize("name", ["openai/gpt-5-pro", "openai/gpt-5.2", "openai/o3-deep-research", "gpt-4o", "x/y", ""])
def test_relatives_are_unknown(name: str) -> None:
    assert price_of(name) is None


def test_a_price_is_per_million_tokens() -> None:
    assert PRICES["openai/gpt-4.1"].of(1_000_000, 500_000) == pytest.approx(2.0 + 4.0)
