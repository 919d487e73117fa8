"""How far two sources of labels agree, and how noisy labels are where the truth is known.

Cohen 1960 (kappa): agreement beyond what chance would give. Nothing here knows where labels come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two sources of labels compare.

    Attributes:
        n: Things both have labelled.
        observed: The share of them on which they say the same.
        expected: The share on which they would by chance, each keeping to its own habits.
        kappa: (observed - expected) / (1 - expected); 1 where both say one and the same of all, 0 of nothing.
    """

    n: int
    observed: float
    expected: float
    kappa: float


@dataclass(frozen=True, slots=True)
class Noise:
    """How often labels are wrong where the truth is known.

    Attributes:
        n: Labels compared.
        wrong_as_right: The share of the truly wrong labelled right; 0 where there are none.
        right_as_wrong: The share of the truly right labelled wrong; 0 where there are none.
        accuracy: The share of all that are labelled as they are.
    """

    n: int
    wrong_as_right: float
    right_as_wrong: float
    accuracy: float


def verdict(value: float) -> str:
    """A label as a word: `wrong` below 1/3, `right` above 2/3, `neutral` between."""
    return "wrong" if value < 1 / 3 else "right" if value > 2 / 3 else "neutral"


def agreement(
    one: Mapping[Key, float], other: Mapping[Key, float], category: Callable[[float], str] = verdict
) -> Agreement:
    """Cohen's kappa of two sources over what both have labelled."""
    pairs = [(category(one[key]), category(other[key])) for key in one if key in other]
    count = len(pairs)
    if not count:
        return Agreement(0, 0.0, 0.0, 0.0)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    same = sum(a == b for a, b in pairs)
    chance = sum(first[word] * second[word] for word in first)  # over count squared
    if chance == count * count:
        return Agreement(count, 1.0, 1.0, 1.0)
    observed, expected = same / count, chance / (count * count)
    return Agreement(count, observed, expected, (observed - expected) / (1.0 - expected))


def noise(labels: Mapping[Key, float], truth: Mapping[Key, bool], threshold: float = 0.5) -> Noise:
    """How noisy labels are; a label from `threshold` on says `right`."""
    told = [(labels[key] >= threshold, truth[key]) for key in labels if key in truth]
    of_wrong = [said for said, right in told if not right]
    of_right = [said for said, right in told if right]
    return Noise(
        len(told),
        sum(of_wrong) / len(of_wrong) if of_wrong else 0.0,
        sum(not said for said in of_right) / len(of_right) if of_right else 0.0,
        sum(said == right for said, right in told) / len(told) if told else 0.0,
    )
