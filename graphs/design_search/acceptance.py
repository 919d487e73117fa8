"""Whether a new design is better than an old one on the same examples: a probability, never a raw comparison.

Three rules: a paired bootstrap over examples, the exact sign test, and the posterior of two Beta distributions. Nothing
here knows what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from reflectree.rlm_ops.errors import BadInput

Rule = Literal["bootstrap", "sign", "beta"]
RULES: tuple[Rule, ...] = ("bootstrap", "sign", "beta")
LEVEL = 0.9
"""How sure one has to be that the new design is better."""
RESAMPLES = 4_000
_GRID = 20_001


def accepts(old: Sequence[float], new: Sequence[float], rule: Rule = "bootstrap", level: float = LEVEL) -> bool:
    """Whether a new design is taken.

    Args:
        old: The old design's scores, one an example.
        new: The new one's on the same examples, in the same order.
        rule: How the probability is computed.
        level: How high it has to be.

    Raises:
        BadInput: As `probability`, or the level is not between one half and 1.
    """
    if not 0.5 <= level < 1.0:
        raise BadInput(f"level={level}: give how sure to be, from 0.5 to less than 1")
    return probability(old, new, rule) >= level


def probability(old: Sequence[float], new: Sequence[float], rule: Rule = "bootstrap") -> float:
    """How sure one may be that the new design is better.

    Raises:
        BadInput: There is no such rule, there are no examples, or not the same on both sides.
    """
    if rule not in RULES:
        raise BadInput(f"acceptance rule {rule!r}: take {', '.join(RULES)}")
    if rule == "beta":
        if not old or not new:
            raise BadInput("a design is judged on examples, and there are none")
        return beta_probability(sum(new), len(new), sum(old), len(old))
    if len(old) != len(new) or not old:
        raise BadInput(f"rule {rule} needs the same examples on both sides, got {len(old)} and {len(new)}")
    return _bootstrap(old, new) if rule == "bootstrap" else _sign(old, new)


def beta_probability(
    new_right: float, new_n: int, old_right: float, old_n: int, prior: tuple[float, float] = (1.0, 1.0)
) -> float:
    """P(new > old), where each design's accuracy has a Beta posterior; unpaired.

    14 of 20 against 10 of 20 under the uniform prior is 0.896.

    Raises:
        BadInput: Counts that cannot be.
    """
    for right, n in ((new_right, new_n), (old_right, old_n)):
        if not 0 <= right <= n:
            raise BadInput(f"{right} right of {n} cannot be")
    x = np.linspace(0.0, 1.0, _GRID)
    new = _density(x, prior[0] + new_right, prior[1] + new_n - new_right)
    old = _density(x, prior[0] + old_right, prior[1] + old_n - old_right)
    below = np.concatenate(([0.0], np.cumsum((old[1:] + old[:-1]) / 2.0)))
    below /= below[-1]
    return float(np.sum(new * below) / np.sum(new))


def _density(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """The Beta density without its constant, its top at 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = (a - 1.0) * np.log(x) + (b - 1.0) * np.log1p(-x)
    log = np.where(np.isnan(log), 0.0, log)  # 0 * -inf: a uniform end
    finite = np.where(np.isposinf(log), 0.0, log)
    density: np.ndarray = np.exp(finite - finite.max())
    return density


def _bootstrap(old: Sequence[float], new: Sequence[float]) -> float:
    """The share of paired resamples in which the new one is better; ties count half.

    One example is added that the new one wins, and one that it loses: a bootstrap of three wins knows no doubt, and
    this gives 0.94, as the Beta posterior does.
    """
    differences = np.concatenate([np.asarray(new, dtype=np.float64) - np.asarray(old, dtype=np.float64), [1.0, -1.0]])
    n = len(differences)
    drawn = np.random.default_rng(0).integers(0, n, size=(RESAMPLES, n))
    means = differences[drawn].mean(axis=1)
    return float((np.count_nonzero(means > 1e-12) + 0.5 * np.count_nonzero(np.abs(means) <= 1e-12)) / RESAMPLES)


def _sign(old: Sequence[float], new: Sequence[float]) -> float:
    """One less the one-sided p-value of as many wins among the examples that tell the two apart."""
    wins = sum(b > a for a, b in zip(old, new, strict=True))
    n = wins + sum(b < a for a, b in zip(old, new, strict=True))
    return float(1.0 - sum(math.comb(n, k) for k in range(wins, n + 1)) / 2**n)
