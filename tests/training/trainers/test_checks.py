import math
from dataclasses import replace

import pytest

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import Labelled, Origin, Preferred, Sample, Solution, Valued, located
from reflectree.training.splits import TestTaskRefused
from reflectree.training.trainers.checks import data_digest, gather, held_out, usable

TAG = "<|step|>"
GOOD = Solution(question="1+1", steps=("2",), origin=Origin(task="t", trace="run1", node=4))


def test_only_the_kinds_asked_for() -> None:
    data = gather("orm", ("solution",), [GOOD, Valued(question="q", steps=(), value=0.5)], (), 0.0, TAG)
    assert data.train == (GOOD,)
    assert data.valid == ()


def test_no_sample_of_the_kind() -> None:
    with pytest.raises(BadInput, match=r"trainer 'prm' learns from samples of kind labelled .* was given 1 solution"):
        gather("prm", ("labelled",), [GOOD], (), 0.0, TAG)
    with pytest.raises(BadInput, match="was given no samples"):
        gather("prm", ("labelled",), [], (), 0.0, TAG)


def test_the_origin_says_which_part() -> None:
    held = located(GOOD, split="valid")
    data = gather("orm", ("solution",), [GOOD, held], (), 0.5, TAG)
    assert (data.train, data.valid) == ((GOOD,), (held,))


def test_a_question_is_on_one_side() -> None:
    samples = [replace(GOOD, question=f"{i // 3}+1") for i in range(60)]
    data = gather("orm", ("solution",), samples, (), 0.3, TAG)
    train, valid = ({sample.question for sample in part} for part in (data.train, data.valid))
    assert not train & valid
    assert len(train | valid) == 20
    assert valid


def test_something_is_held_out_where_it_can_be() -> None:
    assert len(held_out(["a", "b"], 0.01)) == 1
    assert len(held_out(["a", "b"], 0.99)) == 1
    assert held_out(["a", "a"], 0.5) == set()


def test_a_weight_of_nothing_is_left_out() -> None:
    data = gather("orm", ("solution",), [GOOD, replace(GOOD, question="x", weight=0.0)], (), 0.0, TAG)
    assert data.train == (GOOD,)


def test_the_digest_knows_order_weights_and_parts() -> None:
    other = replace(GOOD, question="x")
    digests = {
        data_digest([GOOD, other]),
        data_digest([other, GOOD]),
        data_digest([GOOD, None, other]),
        data_digest([GOOD, replace(other, weight=0.5)]),
    }
    assert len(digests) == 4
    assert data_digest([GOOD]) == data_digest([located(GOOD, seed=9)])


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (replace(GOOD, steps=("2", " ")), r"step 2 of a sample is empty \(trace run1, node 4\)"),
        (replace(GOOD, steps=(f"2 {TAG} 3",)), r"step 1 of a sample contains the step tag '<\|step\|>' \(trace run1"),
        (replace(GOOD, steps=()), "has no steps"),
        (replace(GOOD, reward=math.nan), "outside"),
        (replace(GOOD, question=" "), "has no question"),
        (Labelled(question="q", steps=("a",), labels=(1.0, 0.0)), "2 labels for 1 steps"),
        (Labelled(question="q", steps=("a",), labels=(math.nan,)), r"has no label \(question 'q'\)"),
        (Preferred(question="q", chosen=("a",), rejected=("",)), "step 2 of a sample is empty"),
        (Valued(question="q", steps=(), value=1.5), "outside"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(sample: Sample, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        usable(sample, TAG)


def test_a_value_of_the_question_itself_is_fine() -> None:
    assert usable(Valued(question="q", steps=(), value=0.5), TAG)


def test_a_test_task_is_refused() -> None:
    with pytest.raises(TestTaskRefused, match="of a test task"):
        gather("orm", ("solution",), [located(GOOD, split="test")], (), 0.0, TAG)
