"""`string_check` and `text_similarity`: a reply's text against a reference, without code and without a model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reflectree.training.graders.base import Fields, Grade, fill

OPERATIONS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": lambda text, reference: text != reference,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.casefold() in text.casefold(),
}
"""How two strings are compared: the same, not the same, one contains the other (in any case)."""


@dataclass(frozen=True, slots=True)
class StringCheck:
    """1 where the comparison holds, else 0."""

    name: str
    input: str
    reference: str
    operation: str

    async def grade(self, item: Fields, sample: Fields) -> Grade:
        """Compare."""
        compare = OPERATIONS[self.operation]
        return Grade(float(compare(fill(self.input, item, sample), fill(self.reference, item, sample))))


@dataclass(frozen=True, slots=True)
class TextSimilarity:
    """How alike two texts are, in [0, 1]; with a `pass_threshold` 1 from there on, else 0."""

    name: str
    input: str
    reference: str
    evaluation_metric: str
    pass_threshold: float | None = None

    async def grade(self, item: Fields, sample: Fields) -> Grade:
        """Measure."""
        measure = METRICS[self.evaluation_metric]
        value = measure(fill(self.input, item, sample), fill(self.reference, item, sample))
        passed = value if self.pass_threshold is None else float(value >= self.pass_threshold)
        return Grade(passed, {self.evaluation_metric: value})


def words(text: str) -> list[str]:
    """The words of a text, lower case, without marks."""
    return re.findall(r"\w+", text.casefold())


def fuzzy_match(text: str, reference: str) -> float:
    """The share of characters two texts have in common, in order: `2 LCS / (n + m)` (the indel ratio)."""
    total = len(text) + len(reference)
    return 2.0 * _common(text, reference) / total if total else 1.0


def rouge(n: int) -> Callable[[str, str], float]:
    """ROUGE-n: F1 of the n-grams two texts share (Lin 2004)."""

    def measure(text: str, reference: str) -> float:
        ours, theirs = _grams(words(text), n), _grams(words(reference), n)
        return _f1((ours & theirs).total(), ours.total(), theirs.total())

    return measure


def rouge_l(text: str, reference: str) -> float:
    """ROUGE-L: F1 of the longest common subsequence of words (Lin 2004)."""
    ours, theirs = words(text), words(reference)
    return _f1(_common(ours, theirs), len(ours), len(theirs))


def bleu(text: str, reference: str) -> float:
    """Sentence BLEU-4 against one reference, with 1 added to the counts above unigrams (Lin and Och 2004)."""
    ours, theirs = words(text), words(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    logs = 0.0
    for n in range(1, 5):
        mine, given = _grams(ours, n), _grams(theirs, n)
        shared, total = (mine & given).total(), mine.total()
        if n == 1 and not shared:
            return 0.0
        smooth = int(n > 1)
        logs += math.log((shared + smooth) / (total + smooth)) / 4 if total + smooth else 0.0
    return min(1.0, math.exp(1.0 - len(theirs) / len(ours))) * math.exp(logs)


def gleu(text: str, reference: str) -> float:
    """GLEU: the lesser of precision and recall of all 1- to 4-grams (arXiv 1609.08144, section 4.3)."""
    ours = Counter(gram for n in range(1, 5) for gram in _grams(words(text), n).elements())
    theirs = Counter(gram for n in range(1, 5) for gram in _grams(words(reference), n).elements())
    most = max(ours.total(), theirs.total())
    return (ours & theirs).total() / most if most else 1.0


METRICS: Mapping[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "bleu": bleu,
    "gleu": gleu,
    **{f"rouge_{n}": rouge(n) for n in range(1, 6)},
    "rouge_l": rouge_l,
}
"""The measures there are. `cosine` and `meteor` want models of their own, and are not."""


def _grams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[k : k + n]) for k in range(len(tokens) - n + 1))


def _f1(shared: float, ours: float, theirs: float) -> float:
    if not ours or not theirs:
        return float(ours == theirs)
    return 2.0 * shared / (ours + theirs)


def _common(first: Sequence[object], second: Sequence[object]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for one in first:
        before = 0
        for k, other in enumerate(second, 1):
            above = row[k]
            row[k] = before + 1 if one == other else max(above, row[k - 1])
            before = above
    return row[-1]
