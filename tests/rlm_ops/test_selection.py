from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops import selection as s
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.selection import Candidate, Selection

CANDIDATES = [
    Candidate(1, "17", 0.9, 2),
    Candidate(2, "42", 0.5, 9),
    Candidate(3, "42.0", 0.45, 1),
    Candidate(4, "x = 42", 0.1, 1),
    Candidate(5, "8", None, 3),
]


def test_by_value() -> None:
    assert s.by_value(CANDIDATES) == Selection(1, "17", 0.9, "value")


def test_by_visits() -> None:
    assert s.by_visits(CANDIDATES) == Selection(2, "42", 9.0, "visits")


def test_majority_counts_normalised_answers() -> None:
    assert s.majority(CANDIDATES) == Selection(2, "42", 0.6, "majority")


def test_votes_are_weighed_by_value() -> None:
    chosen = s.weighted_vote(CANDIDATES)
    assert chosen is not None
    assert chosen.node == 2
    assert chosen.score == pytest.approx(1.05 / 1.95)
    heavier = s.weighted_vote([Candidate(1, "a", 0.9), Candidate(2, "b", 0.3), Candidate(3, "b", 0.3)])
    assert heavier is not None
    assert heavier.answer == "a"


def test_verified() -> None:
    assert s.select("verified", CANDIDATES, verifiers.exact("8")) == Selection(5, "8", 1.0, "verified")
    assert s.select("verified", CANDIDATES, verifiers.exact("0")) == Selection(1, "17", 0.0, "verified")


def test_ties_go_to_value_then_visits_then_the_lower_node() -> None:
    assert _node(s.majority([Candidate(1, "a", 0.1), Candidate(2, "b", 0.2)])) == 2
    assert _node(s.majority([Candidate(1, "a", 0.1, 1), Candidate(2, "b", 0.1, 2)])) == 2
    assert _node(s.majority([Candidate(2, "a"), Candidate(1, "b")])) == 1
    assert _node(s.by_value([Candidate(2, "a", 0.5, 1), Candidate(1, "b", 0.5, 1)])) == 1
    assert _node(s.by_value([Candidate(1, "a", None), Candidate(2, "b", 0.0)])) == 2
    assert _node(s.by_value([Candidate(1, "a", math.nan), Candidate(2, "b", 0.0)])) == 2


def test_values_that_are_not_there() -> None:
    assert s.by_value([Candidate(3, "a")]) == Selection(3, "a", 0.0, "value")
    assert s.weighted_vote([Candidate(3, "a"), Candidate(4, "b", -1.0)]) == Selection(4, "b", 0.0, "weighted_vote")


@pytest.mark.parametrize("method", [*s.METHODS, "verified"])
def test_no_candidates_no_answer(method: str) -> None:
    assert s.select(method, [], verifiers.exact("1")) is None


def test_unknown_methods() -> None:
    with pytest.raises(BadInput, match="majority"):
        s.select("loudest", CANDIDATES)
    with pytest.raises(BadInput, match="needs a verifier"):
        s.select("verified", CANDIDATES)


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "1.0", "2", "3"]), st.none() | st.floats(0, 1), st.integers(0, 5)),
        min_size=1,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from(list(s.METHODS)),
)
def test_the_order_of_candidates_does_not_matter(
    rows: list[tuple[str, float | None, int]], shuffler: random.Random, method: str
) -> None:
    candidates = [Candidate(node, *row) for node, row in enumerate(rows)]
    shuffled = candidates[:]
    shuffler.shuffle(shuffled)
    assert s.select(method, candidates) == s.select(method, shuffled)


def _node(selection: Selection | None) -> int:
    assert selection is not None
    return selection.node
