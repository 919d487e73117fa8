"""Selection rules: which of some scored options to take, by rank or by chance.

Options are the indices of the scores. Ties go to the lower index and NaN counts as the lowest score, so a rule is
deterministic given its `random.Random`. Nothing here knows what is selected.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from random import Random
from typing import Protocol

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.priors import softmax


class Arm(Protocol):
    """A belief about a reward that can be drawn from."""

    def draw(self, rng: Random) -> float:
        """A reward."""
        ...


def thompson(arms: Sequence[Arm], rng: Random) -> int:
    """Thompson sampling (1933): draw once from what is believed of each arm, take the highest draw."""
    _check(arms)
    return _highest([arm.draw(rng) for arm in arms])


def epsilon_greedy(scores: Sequence[float], rng: Random, epsilon: float = 0.1) -> int:
    """The highest score; with probability `epsilon` any option, all alike.

    Raises:
        BadInput: No scores, or `epsilon` outside [0, 1].
    """
    _check(scores)
    if not 0.0 <= epsilon <= 1.0:
        raise BadInput(f"epsilon is a probability, got {epsilon}")
    if rng.random() < epsilon:
        return rng.randrange(len(scores))
    return _highest(scores)


def top_k(scores: Sequence[float], k: int) -> list[int]:
    """The k highest scores, best first; all of them where there are fewer."""
    return sorted(range(len(scores)), key=lambda index: (-_number(scores[index]), index))[: max(0, k)]


def proportional(scores: Sequence[float], rng: Random, temperature: float = 1.0) -> int:
    """An option with a chance proportional to `score ** (1 / temperature)` (Tree of Thoughts, arXiv 2305.10601).

    Args:
        scores: A score below 0 weighs 0; where no score is above 0, all options are alike.
        rng: Where the draw comes from.
        temperature: 1 is proportional, 0 the limit: the highest score.

    Raises:
        BadInput: No scores, or a negative temperature.
    """
    _check(scores, temperature)
    highest = max(map(_number, scores))
    if highest <= 0:
        return rng.randrange(len(scores))
    if temperature == 0:
        return _highest(scores)
    if highest == math.inf:
        return _pick([float(score == math.inf) for score in scores], rng)
    # relative to the highest, so that no power overflows
    return _pick([(max(0.0, _number(score)) / highest) ** (1.0 / temperature) for score in scores], rng)


def softmax_sample(scores: Sequence[float], rng: Random, temperature: float = 1.0) -> int:
    """An option with a chance proportional to `exp(score / temperature)`; temperature 0: the highest score.

    Raises:
        BadInput: No scores, or a negative temperature.
    """
    _check(scores, temperature)
    highest = max(map(_number, scores))
    if temperature == 0:
        return _highest(scores)
    if highest == math.inf:
        return _pick([float(score == math.inf) for score in scores], rng)
    if highest == -math.inf:
        return rng.randrange(len(scores))
    return _pick(softmax([(_number(score) - highest) / temperature for score in scores]), rng)


def beam_keep(scores: Sequence[float], width: int, keys: Sequence[Hashable] | None = None) -> list[int]:
    """The beams that go on: the `width` best, best first, of those with equal keys only the best.

    Finished beams take part like the others. search-and-learn copies beams until there are `width` again and OpenR
    narrows the beam as beams finish; here the beam is only as wide as there are distinct beams.

    Args:
        scores: One a beam.
        width: How many go on.
        keys: What makes beams the same, such as their normalised text; without keys all differ.

    Raises:
        BadInput: Not one key a beam.
    """
    if keys is not None and len(keys) != len(scores):
        raise BadInput(f"one key a beam: got {len(keys)} keys and {len(scores)} scores")
    seen: set[Hashable] = set()
    kept: list[int] = []
    for index in top_k(scores, len(scores)):
        key = index if keys is None else keys[index]
        if key not in seen and len(kept) < width:
            seen.add(key)
            kept.append(index)
    return kept


def _number(score: float) -> float:
    return -math.inf if math.isnan(score) else score


def _highest(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda index: (_number(scores[index]), -index))


def _pick(weights: Sequence[float], rng: Random) -> int:
    return rng.choices(range(len(weights)), weights)[0]


def _check(options: Sequence[object], temperature: float = 0.0) -> None:
    if not options:
        raise BadInput("there is nothing to select from")
    if temperature < 0:
        raise BadInput(f"a temperature is at least 0, got {temperature}")
