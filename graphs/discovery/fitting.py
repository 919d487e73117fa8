"""Fit the constants of a formula to data: BFGS from several starts (LLM-SR, Shojaee et al. 2024, arXiv 2404.18400).

The loss is the mean squared error over the variance of the target (NMSE), so that one tolerance suits all data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reflectree.graphs.discovery.formula import Formula
from reflectree.graphs.discovery.terms import QUIET, Array
from reflectree.rlm_ops.extras import require

STARTS = 4
"""Starts of BFGS: all ones, as the paper has it, then log-normal ones of either sign."""
MOST_STEPS = 80
MOST_LOSSES = 2000
"""Losses computed for one formula, gradients included: what bounds the time of a fit."""
EXACT = 1e-14
"""An NMSE at which no further start is tried."""
_HUGE = 1e30
_STEP = 1.5e-8


@dataclass(frozen=True, slots=True)
class Data:
    """Inputs, each of shape (n,), and the target of the same shape."""

    inputs: tuple[Array, ...]
    target: Array


@dataclass(frozen=True, slots=True)
class Fit:
    """The best constants that were found, and the mean squared error with them (not-a-number where there is none)."""

    params: tuple[float, ...]
    mse: float


class _OutOfLosses(Exception):
    """The allowance of one fit is used up."""


class _Loss:
    """NMSE as a function of constants; it remembers the best it has seen."""

    def __init__(self, formula: Formula, data: Data) -> None:
        self.formula, self.data = formula, data
        self.scale = float(np.var(data.target)) or 1.0
        self.left = MOST_LOSSES
        self.best: tuple[float, Array] | None = None

    def __call__(self, params: Array) -> float:
        if self.left == 0:
            raise _OutOfLosses
        self.left -= 1
        error = mean_squared_error(self.formula, self.data, params) / self.scale
        if not np.isfinite(error):
            return _HUGE
        if self.best is None or error < self.best[0]:
            self.best = (error, params.copy())
        return min(error, _HUGE)

    def gradient(self, params: Array) -> Array:
        """Forward differences, with steps in proportion to the constants."""
        here = self(params)
        slopes = np.empty_like(params)
        for index, value in enumerate(params):
            step = _STEP * max(1.0, abs(value))
            moved = params.copy()
            moved[index] += step
            there = self(moved)
            slopes[index] = 0.0 if there >= _HUGE or here >= _HUGE else (there - here) / step
        return slopes


def fit(formula: Formula, data: Data) -> Fit:
    """The constants with the least mean squared error; the same formula and data give the same ones."""
    minimize = require("scipy.optimize", "discovery", "fitting the constants of a formula").minimize
    loss = _Loss(formula, data)
    try:
        for start in _starts(formula.params):
            if formula.params == 0:
                loss(start)
                break
            with QUIET, np.errstate(all="ignore"):  # nothing is lost: one interpreter computes one loss at a time
                minimize(loss, start, jac=loss.gradient, method="BFGS", options={"maxiter": MOST_STEPS, "gtol": 1e-12})
            if loss.best is not None and loss.best[0] < EXACT:
                break
    except _OutOfLosses:
        pass
    if loss.best is None:
        return Fit((), float("nan"))
    error, params = loss.best
    return Fit(tuple(float(value) for value in params), error * loss.scale)


def mean_squared_error(formula: Formula, data: Data, params: Array | tuple[float, ...]) -> float:
    """The mean squared error of a formula with given constants; not finite where the formula is not."""
    with np.errstate(all="ignore"):
        return float(np.mean((formula(data.inputs, params) - data.target) ** 2))


def _starts(count: int) -> Iterator[Array]:
    yield np.ones(count)
    rng = np.random.default_rng(count)
    for _ in range(STARTS - 1):
        yield rng.lognormal(0.0, 1.0, size=count) * rng.choice([-1.0, 1.0], size=count, p=[0.25, 0.75])
