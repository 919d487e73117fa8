"""Prices of well-known hosted models, in dollars per million tokens, as their providers listed them.

A short table of what is certain, with a date. What is not in it is unknown, which is not the same as free; whoever
knows better passes `price=`.
"""

from __future__ import annotations

import re

from reflectree.models.base import Price

AS_OF = "2026-11"
"""When the table was last compared with the price list that litellm ships."""

PRICES: dict[str, Price] = {
    "openai/gpt-4o": Price(2.50, 10.00),
    "openai/gpt-4o-2024-05-13": Price(5.00, 15.00),
    "openai/gpt-4o-mini": Price(0.15, 0.60),
    "openai/gpt-4.1": Price(2.00, 8.00),
    "openai/gpt-4.1-mini": Price(0.40, 1.60),
    "openai/gpt-4.1-nano": Price(0.10, 0.40),
    "openai/gpt-4-turbo": Price(10.00, 30.00),
    "openai/gpt-4": Price(30.00, 60.00),
    "openai/gpt-5": Price(1.25, 10.00),
    "openai/gpt-5-mini": Price(0.25, 2.00),
    "openai/gpt-5-nano": Price(0.05, 0.40),
    "openai/o1": Price(15.00, 60.00),
    "openai/o3": Price(2.00, 8.00),
    "openai/o3-mini": Price(1.10, 4.40),
    "openai/o4-mini": Price(1.10, 4.40),
}

_DATED = re.compile(r"(?:-\d{4}-\d{2}-\d{2})?")


def price_of(name: str) -> Price | None:
    """The price of `provider/model`, or None.

    The longest entry that begins the name counts, and only if nothing but a release date follows it: `gpt-5-pro` is not
    `gpt-5`.
    """
    known = max((entry for entry in PRICES if name.startswith(entry)), key=len, default=None)
    return PRICES[known] if known is not None and _DATED.fullmatch(name[len(known) :]) else None
