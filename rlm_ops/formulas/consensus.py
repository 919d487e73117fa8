"""How sure a leading answer is to stay the majority: the stop rules of Adaptive-Consistency.

Aggarwal et al. 2023, arXiv 2305.11860, and their release (github.com/Pranjal2041/AdaptiveConsistency). Answers are
drawn with unknown probabilities under a uniform prior; the votes seen so far make it a posterior. The release
integrates numerically (scipy) or by Monte Carlo over its five most frequent answers; here the Beta rule is a continued
fraction and the Dirichlet rule one integral over all answers. No scipy. Nothing here knows what an answer is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from reflectree.rlm_ops.errors import BadInput

_EPSILON = 3e-16
_TINY = 1e-300
_ROUNDS = 10_000
_POINTS = 2001


def betainc(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b): P(X <= x) for X of Beta(a, b).

    Lentz's continued fraction (Numerical Recipes, section 6.4), good to about 1e-13.

    Raises:
        BadInput: `a` or `b` is not above 0, or `x` lies outside [0, 1].
    """
    if not (a > 0 and b > 0 and 0.0 <= x <= 1.0):
        raise BadInput(f"I_x(a, b) needs a > 0, b > 0 and x from 0 to 1, got a={a}, b={b}, x={x}")
    if x in (0.0, 1.0):
        return x
    if x > (a + 1.0) / (a + b + 2.0):  # the fraction converges fast on the other side only
        return 1.0 - betainc(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _beta_fraction(a, b, x) / a


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x(a, b), evaluated by the modified Lentz method."""
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _ROUNDS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 + term * d
            c = 1.0 + term / c
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            value *= c * d
        if abs(c * d - 1.0) < _EPSILON:
            break
    return value


def beta_majority(votes: Iterable[float]) -> float:
    """The Beta rule: P(the leading answer is likelier than the second), `1 - I_(1/2)(v1 + 1, v2 + 1)`.

    Args:
        votes: Votes of each answer, in any order; weights of a weighted vote will do.

    Returns:
        The probability; one half where there is no vote.

    Raises:
        BadInput: A negative vote.
    """
    ranked = _ranked(votes)
    first, second = (*ranked, 0.0, 0.0)[:2]
    return betainc(second + 1.0, first + 1.0, 0.5)


def dirichlet_majority(votes: Iterable[float]) -> float:
    """The Dirichlet rule: P(the leading answer is likelier than *every* other answer seen).

    Probabilities of Dirichlet(v + 1) are independent Gamma(v_i + 1) variables, normalised, so that this is
    `integral of f_1(x) * prod F_j(x)` over j > 1, here to about 1e-6. With fewer than three answers it is the Beta
    rule, as in the release.

    Args:
        votes: Whole votes of each answer, in any order.

    Raises:
        BadInput: A negative vote, or part of one.
    """
    ranked = _ranked(votes)
    if any(count % 1.0 for count in ranked):
        raise BadInput("the Dirichlet rule counts whole votes: use the Beta rule for weights")
    if len(ranked) < 3:
        return beta_majority(ranked)
    shape = ranked[0] + 1.0
    x = np.linspace(0.0, shape + 12.0 * math.sqrt(shape) + 40.0, _POINTS * max(1, math.ceil(math.sqrt(shape) / 4)))
    lead = _gamma_density(shape, x)
    for other, times in zip(*np.unique(ranked[1:], return_counts=True), strict=True):
        below = _integral_up_to(_gamma_density(float(other) + 1.0, x), x)
        lead *= (below / below[-1]) ** int(times)  # a narrow density on a wide grid must still add up to 1
    return min(1.0, float(_integral_up_to(lead, x)[-1]))


def _ranked(votes: Iterable[float]) -> list[float]:
    """Votes in falling order, answers without any left out."""
    ranked = sorted(map(float, votes), reverse=True)
    if ranked and not ranked[-1] >= 0:
        raise BadInput("votes are at least 0")
    return [count for count in ranked if count > 0]


def _gamma_density(shape: float, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if shape == 1.0:
        return np.exp(-x)  # 0 * log(0) has no place in it
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp((shape - 1.0) * np.log(x) - x - math.lgamma(shape)))


def _integral_up_to(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Running integral on an even grid: trapezoids with their end correction by the slope (error of fourth order)."""
    step = float(x[1] - x[0])
    slope = np.gradient(y, step, edge_order=2)
    pieces = 0.5 * step * (y[1:] + y[:-1]) + step * step / 12.0 * (slope[:-1] - slope[1:])
    return np.concatenate(([0.0], np.cumsum(pieces)))
