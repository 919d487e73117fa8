"""The formulas of recall: recency, utility, normalisation, diversity. Numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.statistics import wilson_interval


def recency(age: float, decay: float) -> float:
    """(1 - decay)^age, in [0, 1]: Generative Agents (arXiv 2304.03442) decay .005, LangChain's time weighting .01."""
    if age < 0 or not 0 <= decay < 1:
        raise BadInput(f"recency needs an age of at least 0 and a decay in [0, 1), got {age} and {decay}")
    return float((1.0 - decay) ** age)


def wilson(wins: int, uses: int) -> float:
    """Lower end of Wilson's 95 % interval of wins over uses, in [0, 1]; 0 without uses."""
    return wilson_interval(wins, uses).low


def posterior_mean(wins: int, uses: int) -> float:
    """Mean of Beta(1 + wins, 1 + losses), in (0, 1); one half without uses."""
    return (1 + wins) / (2 + uses)


@lru_cache(maxsize=65536)
def probability_better(wins: float, uses: float, base_wins: float, base_uses: float) -> float:
    """Chance that one share of successes is above another, under Beta posteriors with uniform priors, in [0, 1].

    P(p > q) for p ~ Beta(1 + wins, 1 + uses - wins) and q likewise, summed over a grid of 2,048 shares: to 1e-4 up to
    thousands of trials. Counts need not be whole.

    Args:
        wins: Successes behind the first share.
        uses: Trials behind it.
        base_wins: Successes behind the second.
        base_uses: Trials behind the second.

    Raises:
        BadInput: Counts that cannot be.
    """
    if not 0 <= wins <= uses or not 0 <= base_wins <= base_uses:
        raise BadInput(f"{wins} of {uses} against {base_wins} of {base_uses} cannot be")
    first, second = _posterior(wins, uses), _posterior(base_wins, base_uses)
    below = np.cumsum(second) - second / 2.0
    return min(1.0, max(0.0, float(first @ below)))


def _posterior(wins: float, uses: float) -> npt.NDArray[np.float64]:
    """Probabilities of the grid's shares."""
    logs = wins * _LOG_SHARES + (uses - wins) * _LOG_REST
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)


_SHARES = (np.arange(2048) + 0.5) / 2048
_LOG_SHARES, _LOG_REST = np.log(_SHARES), np.log1p(-_SHARES)


def minmax(values: Sequence[float]) -> list[float]:
    """The values moved and stretched to [0, 1]; all 0.5 where they are equal (Generative Agents' convention)."""
    if not values:
        return []
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def mmr(score: float, likeness: float, diversity: float) -> float:
    """Maximal marginal relevance (Carbonell & Goldstein 1998): (1 - diversity) score - diversity likeness."""
    return (1.0 - diversity) * score - diversity * likeness


def mmr_order(
    scores: Sequence[float], likeness: Callable[[int, int], float], diversity: float, take: Callable[[int], bool]
) -> list[int]:
    """Positions in the order in which MMR picks them; ties go to the earlier.

    Args:
        scores: Each in [0, 1].
        likeness: Of two positions, in [0, 1].
        diversity: Share of likeness in the trade-off.
        take: Whether a picked position is really taken; one that is not is passed over and nothing is like it.
    """
    nearest = [0.0] * len(scores)
    left = list(range(len(scores)))
    taken: list[int] = []
    while left:
        best = max(left, key=lambda at: (mmr(scores[at], nearest[at], diversity), -at))
        left.remove(best)
        if take(best):
            taken.append(best)
            for at in left:
                nearest[at] = max(nearest[at], likeness(at, best))
    return taken
