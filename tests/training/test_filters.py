"""Each filter keeps what it should, drops what it should, and counts it."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from reflectree.rlm_ops.errors import BadInput
from reflectree.training import filters
from reflectree.training.filters import apply, read
from reflectree.training.samples import Labelled, Operated, Preferred, Sample, Solution, Valued

LOOP = "and the sheep go home. " * 12
GERMAN = "Wir rechnen also zuerst die Summe aus und dann ist das Ergebnis der Aufgabe gleich vier mit dem Rest."


def solution(*steps: str, answer: str = "4", reward: float = 1.0) -> Solution:
    return Solution(question="How many sheep are there in the field?", steps=steps, answer=answer, reward=reward)


def valued(value: float, step: str = "a") -> Valued:
    return Valued(question="How many?", steps=(step,), value=value)


def labelled(*labels: float) -> Labelled:
    return Labelled(question="How many?", steps=tuple(f"step {n}" for n in range(len(labels))), labels=labels)


def preferred(good: str, bad: str, values: tuple[float, float] | None = None) -> Preferred:
    return Preferred(question="How many sheep?", steps=(), chosen=(good,), rejected=(bad,), values=values)


@pytest.mark.parametrize(
    ("spec", "kept", "dropped"),
    [
        ("steps=2-3", solution("a", "b"), solution("a")),
        ("steps=2", solution("a", "b"), solution("a", "b", "c")),
        ("steps=-2", solution("a"), solution("a", "b", "c")),
        ("length=2-4", solution("ab", "c"), solution("abc", "de")),
        ("length=2-", solution("abc" * 99), solution("a")),
        ("no-repetition", solution("Six minus two is four."), solution(LOOP)),
        ("no-repetition", solution("one two three", "four"), solution("one two three", "One  two three")),
        ("no-repetition=moves", solution("up", "up"), solution(LOOP)),
        ("no-repetition", preferred("four", LOOP), preferred(LOOP, "four")),
        ("language", solution("We take two from six."), solution(GERMAN)),
        ("answer", valued(0.5), solution("a", answer=" ")),
        ("informative", valued(0.5), valued(1.0)),
        ("informative", valued(0.01), valued(0.0)),
        ("informative", labelled(1.0, 0.0), labelled(1.0, 1.0, math.nan)),
        ("informative", labelled(0.5), labelled(math.nan)),
        ("informative", preferred("a", "b", (0.7, 0.2)), preferred("a", "b", (0.7, 0.7))),
        ("informative", solution("a"), valued(1.0)),
        ("reward=0.5", solution("a", reward=0.5), solution("a", reward=0.4)),
        ("reward", valued(0.0), solution("a", reward=0.9)),
    ],
)
def test_what_a_filter_keeps_and_what_it_drops(spec: str, kept: Sample, dropped: Sample) -> None:
    rule = read(spec)
    found = apply([kept, dropped], [rule])
    assert found.kept == [kept]
    assert found.dropped == {rule.name: 1}


def test_a_conversation_is_measured_by_what_the_model_says() -> None:
    told = Operated(question="q", messages=(("user", "x" * 50), ("assistant", "ab"), ("assistant", "c")))
    assert apply([told], [read("length=3"), read("steps=2")]).kept == [told]


def test_so_many_a_question_counting_those_before() -> None:
    samples: list[Sample] = [valued(0.1 * n, str(n)) for n in range(1, 6)]
    other = Valued(question="Other?", steps=("a",), value=0.5)
    found = apply([*samples, other, solution("a")], [read("per-question=2")])
    assert found.kept == [*samples[:2], other, solution("a")]
    assert found.dropped == {"per-question=2": 3}
    seen = Counter({("valued", filters.question_key("How many?")): 1})
    assert apply(samples, [read("per-question=2")], seen).kept == samples[:1]
    assert seen.total() == 1


def test_the_first_filter_that_drops_counts() -> None:
    found = apply([solution("a", answer="")], [read("answer"), read("steps=5")])
    assert found.dropped == {"answer": 1}


def test_names_are_what_is_asked_for() -> None:
    specs = [
        "steps=1-12",
        "length=2-",
        "no-repetition",
        "language",
        "answer",
        "informative",
        "reward=1",
        "per-question=8",
    ]
    assert [read(spec).name for spec in specs] == specs
    assert list(filters.names([read(spec) for spec in specs])) == specs


@pytest.mark.parametrize("spec", ["steps=a-b", "per-question=0", "per-question", "reward=much", "length=1-2-3"])
def test_numbers_that_cannot_be_read(spec: str) -> None:
    with pytest.raises(BadInput, match="cannot read the filter"):
        read(spec)


@pytest.mark.parametrize("spec", ["", "stepz=1", "language=de", "no-repetition=no"])
def test_no_such_filter(spec: str) -> None:
    with pytest.raises(BadInput, match="no filter"):
        read(spec)
