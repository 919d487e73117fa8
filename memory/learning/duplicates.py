"""Near duplicates, found without a model: by fingerprint, by text, by embedding. A model is asked only in between.

Two texts that turn on a number or a negation are never the same, however like they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from reflectree.memory.learning.settings import Learning
from reflectree.memory.records.kinds import Concept, Record
from reflectree.memory.records.texts import contradictory, similarity

Likeness = Literal["same", "ask", "different"]
WORDS_WITH_MEANING = 0.4
"""Least text similarity with which a high cosine makes two records the same."""


@dataclass(frozen=True, slots=True)
class Twin:
    """The record most like another: `same` is to be merged without a model, `ask` needs one."""

    record: Record
    likeness: Likeness
    text: float
    meaning: float


def likeness(one: Record, other: Record, meaning: float, settings: Learning) -> Twin:
    """How alike two records are.

    Args:
        one: The new one.
        other: The one that is there.
        meaning: Cosine of their embeddings, 0 where it is not known.
        settings: The thresholds.
    """
    text = similarity(one.told, other.told)
    said: Likeness = "different"
    if one.kind == other.kind:
        if one.fingerprint == other.fingerprint:
            said = "same"
        elif contradictory(one.told, other.told) or _polar(one, other):
            said = "different"
        elif text >= settings.likeness or (meaning >= settings.meaning and text >= WORDS_WITH_MEANING):
            said = "same"
        elif meaning >= settings.meaning:
            said = "ask"
    return Twin(other, said, text, meaning)


def twin(record: Record, others: Iterable[Record], meaning: Mapping[str, float], settings: Learning) -> Twin | None:
    """The most alike of `others` that is not different; `None` where there is none."""
    found = [likeness(record, other, meaning.get(other.id, 0.0), settings) for other in others if other.id != record.id]
    alike = [one for one in found if one.likeness != "different"]
    return max(alike, key=lambda one: (one.likeness == "same", one.text, one.meaning), default=None)


def _polar(one: Record, other: Record) -> bool:
    if not (isinstance(one, Concept) and isinstance(other, Concept)):
        return False
    return (one.polarity, one.relation) != (other.polarity, other.relation)
