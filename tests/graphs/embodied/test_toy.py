from __future__ import annotations

from dataclasses import replace

import pytest

from reflectree.graphs.embodied import toy
from reflectree.graphs.embodied.toy import FAMILIES, MOST_STEPS, Toy
from reflectree.graphs.embodied.toy_household import CLOTHES, FOOD, PAPERS, Household, carry_out, commands
from reflectree.rlm_ops.errors import BadInput


def test_the_kitchen_errand_word_for_word() -> None:
    env = toy.environment("kitchen-2")()
    assert env.name == "toy/kitchen-2"
    assert env.task.question == "Put a hot egg on the table."
    assert env.reset().text.startswith("You are in the hall. On the shelf: ")
    env.step("Go to the kitchen.")
    assert env.step("open fridge").text == "You open the fridge. In it: an apple, an egg, a potato."
    assert env.step("take egg from fridge").text == "You take an egg from the fridge."
    assert env.step("heat egg with stove").text == "You heat the egg. It is hot now."
    last = env.step("put egg on table")
    assert (last.text, last.done, last.score) == ("You put a hot egg on the table.", True, 1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_seed_can_be_won_and_seeds_differ(family: str) -> None:
    ways = set()
    for seed in range(60):
        env = Toy(family, seed)
        seen = env.reset()
        way = env.expert()
        for command in way:
            assert command in seen.actions
            seen = env.step(command)
        assert (seen.done, seen.score) == (True, 1.0)
        ways.add(way)
    assert len(ways) >= 4


def test_what_is_learnt_of_a_family_holds_for_its_other_seeds() -> None:
    for seed in range(30):
        at = Toy("kitchen", seed)._start.at
        assert {at[thing] for thing in FOOD} <= {"fridge", "cupboard"}
        assert {at[thing] for thing in CLOTHES} <= {"wardrobe", "basket"}
        assert {at[thing] for thing in PAPERS} <= {"desk", "shelf"}


def test_the_score_counts_what_is_so() -> None:
    env = Toy("kitchen", 2)
    env.reset()
    scores = [env.step(command).score for command in env.expert()]
    assert scores == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])


def test_a_dangerous_command_is_refused_beforehand_and_ends_in_fire_otherwise() -> None:
    env = Toy("laundry", 0)
    env.reset()
    assert env.refuses("Heat the towel with stove") == "the towel would catch fire: only food may be heated"
    assert env.refuses("heat egg with stove") is None
    house = replace(env._start, at={**env._start.at, "towel": "hand"}, room="kitchen")
    burnt, text = carry_out(house, "heat towel with stove")
    assert burnt.burning == "towel"
    assert text == "The towel catches fire. You run out of the house."
    assert env.errand.score(burnt) == 0.0


def test_closed_and_locked_places_show_nothing() -> None:
    house = Household({"letter": "drawer", "key": "shelf"}, room="study")
    assert not any("letter" in command or "drawer" in command for command in commands(house))
    unlocking = Household({"letter": "drawer", "key": "hand"}, room="study")
    assert "unlock drawer with key" in commands(unlocking)
    assert "take letter from drawer" not in commands(unlocking)


def test_an_errand_fails_when_its_steps_are_used_up() -> None:
    env = Toy("kitchen", 0)
    env.reset()
    for _ in range(MOST_STEPS - 1):
        assert not env.step("look").done
    env.step("no such thing")
    last = env.step("look")
    assert (last.done, last.score) == (True, 0.0)


@pytest.mark.parametrize("rest", ["", "kitchen", "garden-1", "kitchen-x", "kitchen--1"])
def test_a_name_that_is_none_says_what_there_is(rest: str) -> None:
    with pytest.raises(BadInput, match=r"kitchen-SEED, toy/laundry-SEED, toy/office-SEED|whole number"):
        toy.environment(rest)
