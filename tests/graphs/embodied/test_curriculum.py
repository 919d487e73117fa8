"""The order of errands: near to what is learnt, new, and seeded."""

from __future__ import annotations

from collections import Counter

import pytest

from reflectree.graphs.embodied.curriculum import Curriculum
from reflectree.rlm_ops.errors import BadInput

GOALS = {
    "kitchen-1": "Put a hot apple on the table.",
    "kitchen-2": "Put a hot potato on the table.",
    "laundry-1": "Put a clean shirt in the basket.",
    "office-1": "File the letter in the safe.",
}


def test_what_is_nearest_to_a_skill_comes_first() -> None:
    learnt = ["Put a hot bread on the table."]
    for seed in range(10):
        curriculum = Curriculum(GOALS, seed)
        assert curriculum.next(learnt, ["kitchen-1"], {}) == "kitchen-2"
        assert curriculum.next(learnt, ["kitchen-1", "kitchen-2"], {}) == "laundry-1"


def test_what_has_failed_is_put_off_and_then_given_up() -> None:
    curriculum, failed = Curriculum(GOALS, tries=2), Counter[str]()
    order = []
    while (name := curriculum.next(["Put a hot bread on the table."], [], failed)) is not None:
        order.append(name)
        failed[name] += 1
    assert len(order) == 8
    assert sorted(order[:4]) == sorted(order[4:]) == sorted(GOALS)


def test_the_seed_decides_between_equals() -> None:
    assert {Curriculum(GOALS, seed).next([], [], {}) for seed in range(20)} == set(GOALS)
    assert Curriculum(GOALS, 7).next([], [], {}) == Curriculum(GOALS, 7).next([], [], {})


def test_nothing_is_left() -> None:
    assert Curriculum(GOALS).next([], GOALS, {}) is None


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="needs tasks"):
        Curriculum({})
    with pytest.raises(BadInput, match="tries=0"):
        Curriculum(GOALS, tries=0)
