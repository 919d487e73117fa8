"""Parts by content, and a test part that nobody reads before the end."""

import copy
import pickle

import pytest

from reflectree.graphs.design_search.splits import SealedTest, Splits, example_id
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task


def tasks(count: int, first: int = 0) -> list[Task]:
    return [Task(f"What is {n} plus 1?", verifier=verifiers.exact(str(n + 1))) for n in range(first, first + count)]


def test_parts_share_no_task_and_hold_all() -> None:
    splits = Splits.of(tasks(90))
    opened = splits.test.finalise("a")
    names = [example_id(task) for part in (splits.train, splits.validation, opened) for task in part]
    assert len(names) == len(set(names)) == 90
    assert all(15 <= len(part) <= 45 for part in (splits.train, splits.validation, opened))


def test_a_question_is_in_the_same_part_whoever_asks_it() -> None:
    small, large = Splits.of(tasks(60)), Splits.of(tasks(120))
    assert {example_id(task) for task in small.train} <= {example_id(task) for task in large.train}
    assert {example_id(task) for task in small.validation} <= {example_id(task) for task in large.validation}


def test_the_same_question_in_other_letters_is_one_task() -> None:
    again = [Task(f"  WHAT is {n}\nplus 1?", verifier=verifiers.exact("0")) for n in range(60)]
    splits = Splits.of([*tasks(60), *again])
    assert splits.repeated == 60
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 60


def test_the_test_part_cannot_be_read_before_the_end() -> None:
    sealed = Splits.of(tasks(60)).test
    assert len(sealed) > 0
    for read in (
        lambda: list(sealed),
        lambda: sealed[0],
        lambda: pickle.dumps(sealed),
        lambda: copy.deepcopy(sealed),
        lambda: sealed.finalise(),
    ):
        with pytest.raises(BadInput, match=r"(sealed|finalise)"):
            read()
    assert "What" not in repr(sealed)
    assert len(sealed.finalise("winner", "seed")) == len(sealed)


def test_the_test_part_opens_for_one_choice_only() -> None:
    sealed = SealedTest(tasks(3))
    assert sealed.finalise("a", "b") == sealed.finalise("b", "a")
    with pytest.raises(BadInput, match="opened for the designs a, b"):
        sealed.finalise("c")


def test_parts_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInput, match="part empty"):
        Splits.of(tasks(2))
    with pytest.raises(BadInput, match="no verifier"):
        Splits.of([Task("What?")])
    with pytest.raises(BadInput, match="between 0 and 1 together"):
        Splits.of(tasks(9), validation=0.5, test=0.5)
    with pytest.raises(BadInput, match="the train part and in the test part"):
        Splits.given(tasks(3), tasks(3, 10), tasks(3))
    with pytest.raises(BadInput, match="the validation part is empty"):
        Splits.given(tasks(3), [], tasks(3, 10))


def test_given_parts_stay_as_they_are() -> None:
    splits = Splits.given(tasks(3), tasks(4, 10), tasks(5, 20))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (3, 4, 5)
