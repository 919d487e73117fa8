"""Splits by content: the same question in the same part, whoever asks it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task
from reflectree.training.splits import Splits, numbers_key, puzzle_key, text_key


def test_the_shares_are_kept() -> None:
    splits = Splits(valid=0.1, test=0.2)
    parts = [splits.of(f"question {number}") for number in range(5000)]
    assert parts.count("test") == pytest.approx(1000, abs=100)
    assert parts.count("valid") == pytest.approx(500, abs=80)


def test_one_division_in_every_process() -> None:
    code = "from reflectree.training.splits import Splits; print(*map(Splits(.2, .2).of, map(str, range(20))))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said == [Splits(0.2, 0.2).of(str(number)) for number in range(20)]
    assert {"train", "valid", "test"} == set(said)


def test_no_part_where_its_share_is_nothing() -> None:
    assert {Splits(0, 0).of(str(number)) for number in range(200)} == {"train"}
    assert {Splits(0.5, 0).of(str(number)) for number in range(200)} == {"train", "valid"}


def test_a_salt_makes_another_division() -> None:
    first, second = Splits(0.3, 0.3), Splits(0.3, 0.3, salt="b")
    assert [first.of(str(n)) for n in range(50)] != [second.of(str(n)) for n in range(50)]


@given(st.lists(st.integers(0, 99), min_size=1, max_size=6), st.integers(0, 999), st.randoms())
def test_a_puzzle_has_one_key_however_it_is_asked(numbers: list[int], target: int, random: object) -> None:
    mixed = list(numbers)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    listed = ", ".join(map(str, mixed))
    for text in (f"Use {listed} to make {target}.", f"{' '.join(map(str, mixed))} = {target}"):
        assert numbers_key(text) == puzzle_key(numbers, target)
        assert Splits(key="numbers").of(text) == Splits(key="numbers").of_key(puzzle_key(numbers, target))


def test_keys_of_texts() -> None:
    assert text_key("  What\nIS 2 ﬁ? ") == text_key("what is 2 fi?")
    assert numbers_key("No number here") == "no number here"
    assert puzzle_key([8, 3], 24) == "3,8|24"


def test_the_context_is_part_of_the_question() -> None:
    splits = Splits(0.3, 0.3)
    parts = {splits.of_task(Task("Who?", context=str(number))) for number in range(60)}
    assert len(parts) == 3


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"test": 1.0}, "less than 1"),
        ({"valid": -0.1}, "valid share"),
        ({"valid": 0.6, "test": 0.5}, "nothing to train on"),
        ({"key": "name"}, "no key function 'name'"),
    ],
)
def test_shares_that_cannot_be(shares: dict[str, float], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Splits(**shares)  # type: ignore[arg-type]
