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


def test_borda_takes_whom_most_lose_to() -> None:
    preferences = {(2, 1): 0.9, (2, 5): 0.6, (1, 5): 0.7}
    candidates = [CANDIDATES[0], CANDIDATES[1], CANDIDATES[4]]
    assert s.select("borda", candidates, preferences=preferences) == Selection(2, "42", 1.0, "borda")
    assert s.select("borda", CANDIDATES, preferences=preferences) == Selection(2, "42", 0.5, "borda")


def test_borda_where_preferences_run_in_a_ring() -> None:
    ring = {(1, 2): 0.9, (2, 3): 0.8, (3, 1): 0.6, (1, 4): 0.95, (2, 4): 0.95, (3, 4): 0.95}
    assert s.select("borda", CANDIDATES[:4], preferences=ring) == Selection(1, "17", 1.0, "borda")


def test_borda_believes_no_judge_who_likes_what_comes_first() -> None:
    preferences = {(1, 2): 0.9, (2, 1): 0.95}  # in both orders: 0.475 for node 1
    assert _node(s.select("borda", CANDIDATES[:2], preferences=preferences)) == 2


def test_borda_without_comparisons_goes_by_value() -> None:
    assert s.select("borda", CANDIDATES, preferences={}) == Selection(1, "17", 0.0, "borda")
    assert s.select("borda", CANDIDATES, preferences={(8, 9): 1.0}) == Selection(1, "17", 0.0, "borda")
    assert s.select("borda", CANDIDATES[4:], preferences={}) == Selection(5, "8", 1.0, "borda")
    assert s.select("borda", [], preferences={}) is None


def test_a_second_model_confirms_an_answer() -> None:
    candidates = [
        Candidate(1, "17", 0.9, agreed=0.0),
        Candidate(2, "17", 0.9, agreed=0.0),
        Candidate(3, "17", 0.9, agreed=0.5),
        Candidate(4, "42", 0.1, agreed=1.0),
        Candidate(5, "42.0", 0.2, agreed=0.5),
    ]
    assert s.majority(candidates) == Selection(1, "17", 0.6, "majority")
    # 1.5 of 2 agreements, 1.5 of 2 candidates survived; of its candidates the one that was confirmed
    assert s.select("discriminated", candidates) == Selection(4, "42", 0.75, "discriminated")


def test_who_was_not_asked_counts_neither_for_nor_against() -> None:
    asked = [Candidate(1, "a", agreed=1.0), Candidate(2, "b", agreed=0.5)]
    unasked = [Candidate(3, "a"), Candidate(4, "b"), Candidate(5, "b")]
    expected = Selection(1, "a", 0.5 * (1 / 1.5 + 1.0), "discriminated")
    assert s.discriminated(asked) == s.discriminated(asked + unasked) == expected


def test_where_the_second_model_agrees_with_nothing_the_majority_has_it() -> None:
    assert s.discriminated(CANDIDATES) == Selection(2, "42", 0.6, "discriminated")
    refused = [Candidate(1, "a", agreed=0.0), Candidate(2, "b", agreed=0.0), Candidate(3, "b", agreed=0.0)]
    assert s.discriminated(refused) == Selection(2, "b", 2 / 3, "discriminated")


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


@pytest.mark.parametrize("method", [*s.METHODS, *s.NEEDY])
def test_no_candidates_no_answer(method: str) -> None:
    assert s.select(method, [], verifiers.exact("1"), {}) is None


def test_unknown_methods() -> None:
    with pytest.raises(BadInput, match="majority"):
        s.select("loudest", CANDIDATES)
    with pytest.raises(BadInput, match="needs a verifier"):
        s.select("verified", CANDIDATES)
    with pytest.raises(BadInput, match="needs preferences"):
        s.select("borda", CANDIDATES)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "1.0", "2", "3"]),
            st.none() | st.floats(0, 1),
            st.integers(0, 5),
            st.none() | st.sampled_from([0.0, 0.5, 1.0]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.dictionaries(st.tuples(st.integers(0, 7), st.integers(0, 7)), st.floats(0, 1)),
    st.randoms(use_true_random=False),
    st.sampled_from([*s.METHODS, "borda", "discriminated"]),
)
def test_the_order_of_candidates_does_not_matter(
    rows: list[tuple[str, float | None, int, float | None]],
    preferences: dict[tuple[int, int], float],
    shuffler: random.Random,
    method: str,
) -> None:
    candidates = [Candidate(node, *row) for node, row in enumerate(rows)]
    shuffled = candidates[:]
    shuffler.shuffle(shuffled)
    chosen = s.select(method, candidates, preferences=preferences)
    assert chosen == s.select(method, shuffled, preferences=preferences)
    assert chosen is not None
    assert candidates[chosen.node].answer == chosen.answer


def _node(selection: Selection | None) -> int:
    assert selection is not None
    return selection.node


def test_a_weighted_vote_without_values_is_a_vote_and_a_certain_answer_wins() -> None:
    unvalued = [Candidate(1, "a"), Candidate(2, "b"), Candidate(3, "b")]
    assert s.weighted_vote(unvalued) == Selection(2, "b", 2 / 3, "weighted_vote")
    certain = s.weighted_vote([Candidate(1, "a", 1.0), Candidate(2, "b", 0.9), Candidate(3, "b", 0.9)])
    assert certain is not None
    assert certain.answer == "a"
