"""Likeness of texts without a model, and cutting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.memory.records.texts import clipped, containment, contradictory, similarity, tokens_of

texts = st.text(max_size=60)


@given(texts, texts)
def test_similarity_is_symmetric_and_a_share(one: str, other: str) -> None:
    assert 0.0 <= similarity(one, other) == similarity(other, one) <= 1.0
    assert similarity(one, one) == 1.0


def test_golden_similarities() -> None:
    assert similarity("a b c", "a b d") == pytest.approx(3 / 7)  # a, b, "a b" of a, b, c, d, "a b", "b c", "b d"
    assert containment("a b", "x a b y") == 1.0
    assert containment("", "x") == 0.0


@pytest.mark.parametrize(
    ("one", "other", "turns"),
    [
        ("Always check the units.", "Never check the units.", True),
        ("Use 3 steps.", "Use 4 steps.", True),
        ("Do not guess.", "Don\u2019t guess.", False),
        ("Check the units first.", "First check the units.", False),
    ],
)
def test_a_number_or_a_negation_turns_a_meaning(one: str, other: str, turns: bool) -> None:
    assert contradictory(one, other) is turns


@given(st.text(max_size=80), st.integers(1, 40))
def test_what_is_cut_fits(text: str, limit: int) -> None:
    cut = clipped(text, limit)
    assert len(cut) <= limit
    assert (cut == text) is (len(text) <= limit)


def test_tokens_are_bounded_by_bytes() -> None:
    assert (tokens_of(""), tokens_of("abc"), tokens_of("abcd"), tokens_of("\u20ac")) == (0, 1, 2, 1)
