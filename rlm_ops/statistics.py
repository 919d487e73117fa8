"""The two intervals a benchmark report needs: of a share, and of a difference between two systems on the same tasks.

Nothing here knows what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from reflectree.rlm_ops.errors import BadInput

_CHUNK_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its confidence interval."""

    estimate: float
    low: float
    high: float


def _check_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise BadInput(f"confidence must lie between 0 and 1, got {confidence}")


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share (Wilson 1927): honest at 0 and 1 and for small n.

    Args:
        successes: How many of the trials succeeded.
        n: Trials; with none nothing is known: 0 to 1 around one half.
        confidence: Chance that the interval covers the true share.

    Raises:
        BadInput: Counts that cannot be, or a confidence outside (0, 1).
    """
    _check_confidence(confidence)
    if not 0 <= successes <= n:
        raise BadInput(f"{successes} successes of {n} trials cannot be")
    if n == 0:
        return Interval(0.5, 0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share = successes / n
    scale = 1.0 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * (share * (1.0 - share) / n + z * z / (4.0 * n * n)) ** 0.5
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(share, low, high)


def paired_bootstrap(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Mean of `first - second` over tasks both systems did, with the percentile interval of a paired bootstrap.

    Args:
        first: Scores of one system, one a task.
        second: Scores of the other, same tasks, same order.
        confidence: Chance that the interval covers the true difference.
        resamples: How often the tasks are drawn again with replacement.
        seed: Same seed, same interval.

    Raises:
        BadInput: No tasks, different lengths, or no resamples.
    """
    _check_confidence(confidence)
    if len(first) != len(second) or not first:
        raise BadInput(f"a paired difference needs the same tasks on both sides, got {len(first)} and {len(second)}")
    if resamples < 1:
        raise BadInput("a bootstrap needs at least one resample")
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    generator = np.random.default_rng(seed)
    n = len(differences)
    chunk = max(1, _CHUNK_CELLS // n)
    means = np.concatenate(
        [
            differences[generator.integers(0, n, size=(min(chunk, resamples - start), n))].mean(axis=1)
            for start in range(0, resamples, chunk)
        ]
    )
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(differences.mean()), float(low), float(high))
