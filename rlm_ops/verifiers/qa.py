"""Verifiers of question answering: `qa` for a span of text, `choice` for a letter, `yes_no` for a truth value.

Each knows the right answer, so each is gold. They compare words; they know nothing of what the words mean, and read
only the answer as it was extracted, never the reasoning before it.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.errors import BadInput

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CLOSED = frozenset({"yes", "no", "noanswer"})
_LETTER = re.compile(
    r"\s*(?:option\s|choice\s)?\s*(?:\\(?:text|textbf|mathrm)\{)?[\s(\[*]*([A-Z])(?:\s*$|\s*[)\]}.:*]|\s+-)",
    re.IGNORECASE,
)
_TRUTH = re.compile(r"\W*(yes|true|no|false)\b", re.IGNORECASE)
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Span:
    """Right where the normal form of SQuAD equals that of an accepted answer, or as far as the words overlap."""

    accepted: tuple[str, ...] = field(repr=False)
    metric: Literal["exact", "f1"] = "exact"
    name: str = "qa"
    gold: bool = True

    def score(self, answer: str) -> float:
        """Exact match (1 or 0), or the best F1 over the accepted answers where that is the metric."""
        if not answer.strip() or len(answer) > _LONGEST:
            return 0.0
        if self.metric == "f1":
            return self.f1(answer)
        return float(normal_span(answer) in {normal_span(accepted) for accepted in self.accepted})

    def f1(self, answer: str) -> float:
        """The best F1 of words over the accepted answers, whatever the metric."""
        return max(f1(answer, accepted) for accepted in self.accepted)


@dataclass(frozen=True, slots=True)
class Choice:
    """Right where the answer names the right letter, or is the right option's text."""

    letter: str = field(repr=False)
    options: tuple[str, ...] = ()
    name: str = "choice"
    gold: bool = True

    def score(self, answer: str) -> float:
        """1 for `B`, `(B)`, `B) its text` or its text alone, else 0."""
        if len(answer) > _LONGEST:
            return 0.0
        texts = [normalise(option) for option in self.options]
        given = normalise(answer)
        if given and texts.count(given) == 1:
            return float(string.ascii_uppercase[texts.index(given)] == self.letter)
        found = _LETTER.match(answer)
        return float(found is not None and found[1].upper() == self.letter)


@dataclass(frozen=True, slots=True)
class YesNo:
    """Right where the answer begins with the right one of yes and no, or of true and false."""

    expected: bool = field(repr=False)
    name: str = "yes-no"
    gold: bool = True

    def score(self, answer: str) -> float:
        """1 for the right truth value, else 0; what begins with neither is wrong."""
        found = _TRUTH.match(answer)
        return float(found is not None and (found[1].lower() in ("yes", "true")) is self.expected)


def qa(answers: str | Sequence[str], *, metric: Literal["exact", "f1"] = "exact") -> Span:
    """A verifier of a short answer in words, as SQuAD and HotpotQA compare them.

    Args:
        answers: The right answer, or several of which any will do.
        metric: `exact` match after normalisation, or the `f1` of words.

    Raises:
        BadInput: There is no right answer, or one is empty, or the metric is unknown.
    """
    accepted = (answers,) if isinstance(answers, str) else tuple(answers)
    if not accepted or not all(answer.strip() for answer in accepted):
        raise BadInput("the right answer is empty: give one, for example qa('Marie Curie')")
    if metric not in ("exact", "f1"):
        raise BadInput(f"unknown metric {metric!r}: use exact or f1")
    return Span(accepted, metric)


def choice(letter: str, options: Sequence[str] = ()) -> Choice:
    """A verifier of a multiple-choice answer.

    Args:
        letter: The right one, from A on.
        options: The options' texts in the order of their letters, where an answer may also be an option's text.

    Raises:
        BadInput: The letter is none, or names none of the options.
    """
    right = letter.strip().upper()
    letters = string.ascii_uppercase[: len(options)] if options else string.ascii_uppercase
    if len(right) != 1 or right not in letters:
        raise BadInput(f"the right choice is one letter from A to {letters[-1]}, got {letter!r}")
    return Choice(right, tuple(options))


def yes_no(expected: bool) -> YesNo:
    """A verifier of a yes-or-no answer; true and false are read as yes and no."""
    return YesNo(expected)


def normal_span(text: str) -> str:
    """SQuAD's normal form: lower case, without punctuation, articles and superfluous spaces.

    A text that is nothing but these (the letter A, an exclamation mark) is compared as it stands.
    """
    words = _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()
    return " ".join(words) or text.strip().lower()


def f1(answer: str, accepted: str) -> float:
    """The F1 of the words of two normal forms, from 0 to 1.

    As HotpotQA scores it, an answer of yes, no or noanswer overlaps with nothing but itself.
    """
    given, right = normal_span(answer), normal_span(accepted)
    if given != right and (given in _CLOSED or right in _CLOSED):
        return 0.0
    first, second = given.split(), right.split()
    common = sum((Counter(first) & Counter(second)).values())
    return 2 * common / (len(first) + len(second)) if common else 0.0
