from __future__ import annotations

from reflectree.models.scoring.items import Encoded, Item, item_of
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task


def test_an_item_is_the_question_with_its_context_and_the_steps_as_they_are() -> None:
    path = Path(Task("How many?", context="Three\n\napples."), (Step("one\n\ntwo"), Step("three")))
    assert item_of(path) == Item("Three\n\napples.\n\nHow many?", ("one\n\ntwo", "three"))


def test_an_encoded_item_knows_its_tokens() -> None:
    assert Encoded((1, 2, 3), (2,), (1, 3), Item("q", ("s",))).tokens == 3
