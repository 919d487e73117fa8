"""Quality filters: which samples are worth learning from, and how many each filter dropped.

Pure functions of samples. A filter keeps what it has nothing to say about (a preference has no answer), and the first
filter that drops a sample is the one that counts it. They know neither files nor models, and not whether a step is
right.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.languages import foreign
from reflectree.rlm_ops.misbehaviour import loops, repeats
from reflectree.training.samples import Labelled, Operated, Preferred, Sample, Solution, Valued

Seen = Counter[tuple[str, str]]
"""How many samples of a kind a question has already: `(kind, question_key)`."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter with its name.

    Attributes:
        name: What it is asked for by, its parameters included, as `steps=1-12`.
        keeps: Whether to keep a sample, given how many its question has already.
    """

    name: str
    keeps: Callable[[Sample, Seen], bool]


@dataclass(slots=True)
class Filtered:
    """What filters left.

    Attributes:
        kept: The samples that passed all of them, in order.
        dropped: How many each filter dropped.
    """

    kept: list[Sample] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def apply(samples: Sequence[Sample], filters: Sequence[Filter], seen: Seen | None = None) -> Filtered:
    """The samples that pass every filter; `seen` says what was kept before, and is not changed."""
    found, counts = Filtered(), Counter(seen or {})
    for sample in samples:
        failed = next((rule.name for rule in filters if not rule.keeps(sample, counts)), None)
        if failed is None:
            found.kept.append(sample)
            counts[sample.kind, question_key(sample.question)] += 1
        else:
            found.dropped[failed] += 1
    return found


def question_key(question: str) -> str:
    """A short name of a question, for counting."""
    return hashlib.sha256(question.encode("utf-8", "replace")).hexdigest()[:16]


def ways(sample: Sample) -> tuple[tuple[str, ...], ...]:
    """The runs of steps a sample teaches, each with what comes before it; a conversation is one run of its turns."""
    match sample:
        case Operated():
            return (tuple(content for role, content in sample.messages if role == "assistant"),)
        case Preferred():
            return ((*sample.steps, *sample.chosen), (*sample.steps, *sample.rejected))
        case _:
            return (sample.steps,)


def steps(least: int = 1, most: int | None = None) -> Filter:
    """Keep samples whose every way has so many steps."""
    top = math.inf if most is None else most
    return _each(f"steps={_range(least, most)}", lambda sample: all(least <= len(way) <= top for way in ways(sample)))


def length(least: int = 1, most: int | None = None) -> Filter:
    """Keep samples whose every way has so many characters."""
    top = math.inf if most is None else most

    def fits(sample: Sample) -> bool:
        return all(least <= sum(map(len, way)) <= top for way in ways(sample))

    return _each(f"length={_range(least, most)}", fits)


def no_repetition(*, thoughts: bool = True) -> Filter:
    """Drop a good way that loops, or says a step twice; a rejected one may, which is what it teaches.

    Args:
        thoughts: Steps are thoughts; where they are moves or tokens, saying one twice is no fault.
    """

    def fresh(sample: Sample) -> bool:
        way = () if isinstance(sample, Operated) else ways(sample)[0]
        texts = ways(sample)[0]
        if any(loops(text) is not None for text in texts) or loops("\n".join(texts)) is not None:
            return False
        return not thoughts or not any(repeats(text, way[:place]) for place, text in enumerate(way))

    return _each("no-repetition" if thoughts else "no-repetition=moves", fresh)


def same_language() -> Filter:
    """Drop samples whose good way is in another language than the question."""
    return _each("language", lambda sample: foreign("\n".join(ways(sample)[0]), sample.question) is None)


def answered() -> Filter:
    """Drop solutions that give no answer."""
    return _each("answer", lambda sample: not isinstance(sample, Solution) or bool(sample.answer.strip()))


def informative() -> Filter:
    """Keep labels that tell something apart: a value strictly between 0 and 1, steps of which not all are alike.

    OmegaPRM (2406.06592) keeps questions with `0 < MC < 1`; a value of exactly 0 or 1 says that the policy always or
    never gets there, and a solution all of whose steps share the label 0 or 1 names no step. A preference whose two
    values are the same prefers nothing.
    """

    def tells(sample: Sample) -> bool:
        match sample:
            case Valued():
                return 0.0 < sample.value < 1.0
            case Labelled():
                known = {label for label in sample.labels if not math.isnan(label)}
                return len(known) > 1 or any(0.0 < label < 1.0 for label in known)
            case Preferred():
                return sample.values is None or sample.values[0] != sample.values[1]
            case _:
                return True

    return _each("informative", tells)


def rewarded(least: float = 1.0) -> Filter:
    """Keep solutions and told runs that earned at least so much: rejection sampling at the buffer's edge."""
    fits = lambda sample: not isinstance(sample, Solution | Operated) or sample.reward >= least  # noqa: E731
    return _each(f"reward={least:g}", fits)


def per_question(most: int) -> Filter:
    """Keep the first so many samples of a kind and question, so that easy questions do not drown the others."""
    return Filter(f"per-question={most}", lambda sample, seen: seen[sample.kind, question_key(sample.question)] < most)


FILTERS: Mapping[str, str] = {
    "steps": "steps=MIN-MAX: so many steps",
    "length": "length=MIN-MAX: so many characters",
    "no-repetition": "no-repetition[=moves]: no loop; no step said twice, unless steps are moves",
    "language": "language: in the question's language",
    "answer": "answer: a solution gives an answer",
    "informative": "informative: labels that tell something apart (0 < MC < 1)",
    "reward": "reward=MIN: solutions that earned at least so much",
    "per-question": "per-question=N: so many samples of a kind a question",
}
"""What `read` understands."""


def read(spec: str) -> Filter:
    """The filter that words such as `steps=1-12` name.

    Raises:
        BadInput: There is none, or its numbers cannot be read.
    """
    name, _, value = spec.strip().partition("=")
    try:
        match name, value:
            case "steps" | "length", value:
                least, dash, most = value.partition("-")
                make = steps if name == "steps" else length
                top = int(most) if most else None if dash else int(least)
                return make(int(least or 1), top)
            case "no-repetition", "" | "moves":
                return no_repetition(thoughts=not value)
            case "language", "":
                return same_language()
            case "answer", "":
                return answered()
            case "informative", "":
                return informative()
            case "reward", value:
                return rewarded(float(value or 1.0))
            case "per-question", value:
                return per_question(_at_least_one(value))
    except ValueError as error:
        raise BadInput(f"cannot read the filter {spec!r}: write {FILTERS[name].partition(':')[0]}") from error
    raise BadInput(f"no filter {spec!r}: there are {'; '.join(FILTERS.values())}")


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _each(name: str, keeps: Callable[[Sample], bool]) -> Filter:
    return Filter(name, lambda sample, seen: keeps(sample))


def _range(least: int, most: int | None) -> str:
    return f"{least}-" if most is None else f"{least}-{most}"


def names(filters: Sequence[Filter]) -> Iterator[str]:
    """The names, for what remembers them."""
    return (rule.name for rule in filters)
