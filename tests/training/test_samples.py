"""Samples: wire form there and back, what cannot be learnt from is refused, and duplicates share a digest."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.training import samples
from reflectree.training.samples import Labelled, Operated, Origin, Preferred, Sample, Solution, Valued

text = st.text(min_size=1, max_size=12).filter(str.strip)
texts = st.lists(text, max_size=4).map(tuple)
unit = st.floats(0, 1)
origins = st.builds(Origin, task=text, trace=text, node=st.integers(-1, 99), split=st.sampled_from(("train", "valid")))
anything = st.one_of(
    st.builds(Solution, question=text, steps=texts, answer=text, reward=unit, origin=origins),
    st.builds(Valued, question=text, steps=texts, value=unit, weight=st.floats(0, 5), origin=origins),
    texts.flatmap(
        lambda steps: st.builds(
            Labelled,
            question=text,
            steps=st.just(steps),
            labels=st.lists(unit, min_size=len(steps), max_size=len(steps)).map(tuple),
        )
    ),
    st.builds(
        Preferred,
        question=text,
        steps=texts,
        chosen=st.just(("a",)),
        rejected=st.just(("b",)),
        values=st.none() | st.tuples(unit, unit),
    ),
    st.builds(Operated, question=text, messages=st.just((("user", "q"), ("assistant", "a"))), operators=texts),
)


@given(anything)
def test_there_and_back_through_json(sample: Sample) -> None:
    assert samples.from_row(json.loads(json.dumps(samples.to_row(sample)))) == sample


@given(anything, origins)
def test_duplicates_are_what_teaches_the_same(sample: Sample, origin: Origin) -> None:
    assert samples.digest(replace(sample, origin=origin, weight=3.0)) == samples.digest(sample)
    assert samples.digest(replace(sample, question=sample.question + "?")) != samples.digest(sample)


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (Solution(question=" ", steps=("a",)), "no question"),
        (Solution(question="q", steps=("a",), reward=1.5), "outside"),
        (Valued(question="q", steps=(), value=math.nan), "outside"),
        (Valued(question="q", steps=(), value=0.5, weight=-1.0), "weight -1"),
        (Labelled(question="q", steps=("a", "b"), labels=(1.0,)), "1 labels for 2 steps"),
        (Preferred(question="q", chosen=("a",), rejected=("a",)), "two different"),
        (Preferred(question="q", chosen=("a",), rejected=("b",), values=(0.2, 2.0)), "outside"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(sample: Sample, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        samples.check(samples.located(sample, trace="t7", node=3))


def test_a_label_may_be_missing() -> None:
    assert samples.check(Labelled(question="q", steps=("a", "b"), labels=(1.0, math.nan)))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"kind": "thought"}, "one of"),
        ({"kind": "valued", "question": "q", "steps": [], "value": 1, "gold": 7}, "no field 'gold'"),
        ({"kind": "valued", "question": "q"}, "damaged"),
    ],
)
def test_what_is_no_sample_is_refused(row: dict[str, object], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        samples.from_row(row)
