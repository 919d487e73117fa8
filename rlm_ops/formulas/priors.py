"""Distributions over siblings: priors before a search, exploration noise in it, and its visit counts as a policy.

Nothing here knows where log-probabilities or visits come from. Randomness comes from the `random.Random` given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from reflectree.rlm_ops.errors import BadInput


def softmax(scores: Sequence[float]) -> list[float]:
    """Softmax that neither overflows nor divides by zero; scores that are all minus infinity come out uniform."""
    if not scores:
        return []
    highest = max(scores)
    if highest == -math.inf:
        return [1.0 / len(scores)] * len(scores)
    weights = [math.exp(score - highest) for score in scores]
    total = sum(weights)
    return [weight / total for weight in weights]


def length_normalised_prior(logprob_sums: Sequence[float], tokens: Sequence[int]) -> list[float]:
    """OpenR's prior over siblings: softmax of each step's *mean* token log-probability (arXiv 2410.09671, release).

    Args:
        logprob_sums: For each sibling the sum of its tokens' log-probabilities, in nats.
        tokens: For each sibling how many tokens it has; a step of none counts as one of probability 1.
    """
    return softmax([s / n if n > 0 else 0.0 for s, n in zip(logprob_sums, tokens, strict=True)])


def dirichlet(size: int, alpha: float, rng: Random) -> list[float]:
    """A draw from the symmetric Dirichlet distribution over `size` outcomes.

    Raises:
        BadInput: `alpha` is not above 0.
    """
    if not alpha > 0:
        raise BadInput(f"the concentration of a Dirichlet distribution must be above 0, got {alpha}")
    draws = [rng.gammavariate(alpha, 1.0) for _ in range(size)]
    total = math.fsum(draws)
    if total > 0:
        return [draw / total for draw in draws]
    # a tiny alpha underflows to zeros: its limit puts everything on one outcome
    chosen = rng.randrange(size) if size else -1
    return [float(index == chosen) for index in range(size)]


def root_noise(priors: Sequence[float], rng: Random, weight: float = 0.25, alpha: float = 0.3) -> list[float]:
    """AlphaZero's priors at the root: `(1 - weight) * P + weight * Dirichlet(alpha)` (arXiv 1712.01815).

    Args:
        priors: P of each child of the root.
        rng: Where the noise comes from.
        weight: Share of noise.
        alpha: Its concentration; 0.3 is chess's, where a position has some 30 moves. Smaller is spikier.
    """
    noise = dirichlet(len(priors), alpha, rng)
    return [(1.0 - weight) * prior + weight * drawn for prior, drawn in zip(priors, noise, strict=True)]


def visit_policy(visits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """AlphaZero's policy from search: `N ** (1 / temperature)`, normalised (arXiv 1712.01815).

    Args:
        visits: Visit counts of the children; all zero comes out uniform.
        temperature: 1 is proportional to visits; 0 is the limit: all on the most visited, shared among equals.

    Raises:
        BadInput: A negative temperature.
    """
    if temperature < 0:
        raise BadInput(f"a temperature is at least 0, got {temperature}")
    if not visits:
        return []
    most = max(visits)
    if most <= 0:
        return [1.0 / len(visits)] * len(visits)
    # relative to the largest, so that no power overflows
    if temperature == 0:
        weights = [float(count == most) for count in visits]
    else:
        weights = [(max(0.0, count) / most) ** (1.0 / temperature) for count in visits]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
