from __future__ import annotations

import pytest

from reflectree.graphs.embodied.episodes import OVER, Guided
from reflectree.graphs.embodied.toy import Toy
from reflectree.rlm_ops.errors import BadInput


def test_a_finished_episode_stays_as_it_ended_and_a_new_one_begins_as_the_first() -> None:
    toy = Toy("kitchen", 2)
    first = toy.reset()
    for command in toy.expert():
        toy.step(command)
    after = toy.step("look")
    assert (after.text, after.done, after.valid, after.score) == (OVER, True, False, 1.0)
    assert toy.reset() == first


def test_a_state_of_the_end_can_be_kept_and_left() -> None:
    toy = Toy("kitchen", 2)
    toy.reset()
    begin = toy.snapshot()
    for command in toy.expert():
        toy.step(command)
    end = toy.snapshot()
    toy.restore(begin)
    assert toy.step("look").valid
    toy.restore(end)
    assert toy.step("look").text == OVER


def test_a_fresh_environment_takes_a_state_of_another_without_a_reset() -> None:
    one, other = Toy("office", 1), Toy("office", 1)
    one.reset()
    one.step("go to study")
    other.restore(one.snapshot())
    assert other.step("look") == one.step("look")


def test_an_expert_is_known_by_its_method() -> None:
    assert isinstance(Toy("office", 0), Guided)


def test_nothing_is_kept_before_the_first_reset() -> None:
    with pytest.raises(BadInput, match=r"reset\(\) it before"):
        Toy("office", 0).snapshot()
