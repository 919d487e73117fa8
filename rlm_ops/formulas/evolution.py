"""Choices of evolutionary program search: which cluster, which program in it, and which islands begin anew.

FunSearch (Romera-Paredes et al., Nature 625, 2024) and LLM-SR (arXiv 2404.18400), whose buffer is the same. Nothing
here knows what a program is. Randomness comes from the `random.Random` given.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.priors import softmax

LEAST = 1e-6
"""What keeps lengths of nothing finite (release)."""
NOISE = 1e-6
"""Standard deviation of what breaks ties between islands (release)."""


def cluster_temperature(programs: int, start: float = 0.1, period: int = 30_000) -> float:
    """Temperature of the choice of a cluster: `start * (1 - (programs mod period) / period)`.

    Args:
        programs: Programs on the island so far.
        start: Temperature at none.
        period: Programs after which it starts again.

    Raises:
        BadInput: `start` is not above 0, or `period` below 1.
    """
    if not start > 0 or period < 1:
        raise BadInput(f"a schedule starts above 0 and lasts at least 1 program, got {start} and {period}")
    return start * (1 - (programs % period) / period)


def cluster_chances(scores: Sequence[float], temperature: float) -> list[float]:
    """The chance of each cluster: softmax of its score over the temperature.

    Raises:
        BadInput: The temperature is not above 0.
    """
    if not temperature > 0:
        raise BadInput(f"the temperature must be above 0, got {temperature}")
    best = max(scores, default=0.0)
    return softmax([(score - best) / temperature for score in scores])


def length_chances(lengths: Sequence[int], temperature: float = 1.0) -> list[float]:
    """The chance of each program of a cluster, shorter ones first: softmax of the negative normalised length.

    `exp(-(l - min) / (max + 1e-6) / temperature)`, normalised.

    Args:
        lengths: In characters.
        temperature: The release has 1, at which length decides little.

    Raises:
        BadInput: The temperature is not above 0.
    """
    if not temperature > 0:
        raise BadInput(f"the temperature must be above 0, got {temperature}")
    if not lengths:
        return []
    least, most = min(lengths), max(lengths) + LEAST
    return softmax([-(length - least) / most / temperature for length in lengths])


def in_unit(scores: Sequence[float]) -> list[float]:
    """Scores from 0 (the lowest of them) to 1 (the highest); all 1 where they are equal."""
    if not scores:
        return []
    least, most = min(scores), max(scores)
    return [(score - least) / (most - least) if most > least else 1.0 for score in scores]


def draw_distinct(chances: Sequence[float], count: int, rng: Random) -> list[int]:
    """Distinct options by chance, at most `count`; what has no chance beside others comes after them, in order."""
    left, weights = list(range(len(chances))), list(chances)
    drawn: list[int] = []
    while left and len(drawn) < count:
        position = rng.choices(range(len(left)), weights)[0] if sum(weights) > 0 else 0
        drawn.append(left.pop(position))
        weights.pop(position)
    return drawn


def islands_to_reset(best: Sequence[float], rng: Random) -> tuple[list[int], list[int]]:
    """The worse half of the islands, rounded down, and the others; ties are broken by chance.

    Args:
        best: The best score of each island; minus infinity where there is none.
        rng: Where the noise comes from.
    """
    noisy = [score + rng.gauss(0.0, NOISE) for score in best]
    order = sorted(range(len(best)), key=lambda island: noisy[island])
    half = len(best) // 2
    return order[:half], order[half:]
