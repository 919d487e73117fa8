"""Rejection sampling: only right solutions, no two alike, few of each question."""

from __future__ import annotations

import pytest
from tests.training.labels.growing import Tree, judge

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.labels.rejection import accepted, rejection
from reflectree.training.labels.source import Source
from reflectree.training.samples import Solution


def solution(text: str, question: str = "q", reward: float = 1.0) -> Solution:
    return Solution(question=question, steps=(text,), reward=reward)


def test_right_ones_without_repetitions_the_shortest_first() -> None:
    found = [solution("b b"), solution("a long one"), solution("A  long one"), solution("a"), solution("x", reward=0.9)]
    found.append(solution("other", "another question"))
    assert [made.steps[0] for made in accepted(found, most=2)] == ["a", "b b", "other"]
    assert [made.steps[0] for made in accepted(found, most=2, prefer="first")] == ["b b", "a long one", "other"]
    assert [made.steps[0] for made in accepted(found, most=9, least=0.5)] == ["a", "x", "b b", "a long one", "other"]


def test_the_most_different_have_the_fewest_words_in_common() -> None:
    found = [solution(text) for text in ("add one and one", "add one and one now", "count on fingers to two")]
    assert [made.steps[0] for made in accepted(found, most=2, prefer="different")] == [
        "add one and one",
        "count on fingers to two",
    ]
    with pytest.raises(BadInput, match="shortest, different or first"):
        accepted(found, prefer="best")  # type: ignore[arg-type]


def test_a_run_gives_its_shortest_right_solutions() -> None:
    tree = Tree()
    tree.chain("one", "two", "three", answer="3")
    tree.grow("three", answer="3")
    tree.grow("four", answer="4")
    made = rejection(Source.of(tree.trace, judge=judge))
    assert [sample.steps for sample in made] == [("three",), ("one", "two", "three")]
    assert made[0].origin.label == "rejection"
    assert made[0].origin.node == 4
