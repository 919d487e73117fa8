"""The classical method of symbolic regression here: stepwise regression over a library of terms.

Like SINDy (Brunton et al. 2016) it looks for a sparse sum of given terms: powers of the inputs and their products, and
a few functions of one input. Forward selection adds the term that helps most; a least-squares fit is one evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

import numpy as np

from reflectree.graphs.discovery.fitting import EXACT, Data
from reflectree.graphs.discovery.terms import Array

EXPONENTS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
MOST_TERMS = 8


def library(data: Data) -> list[Array]:
    """The terms, each of shape (n,); those without a finite value on all points are left out."""
    terms = list[Array]()
    with np.errstate(all="ignore"):
        for powers in product(EXPONENTS, repeat=len(data.inputs)):
            if any(powers):
                terms.append(np.prod([x**power for x, power in zip(data.inputs, powers, strict=True)], axis=0))
        for x in data.inputs:
            terms += [np.exp(-x), np.exp(x), np.log(x), np.sin(x), np.cos(x)]
    return [term for term in terms if np.all(np.isfinite(term)) and float(np.ptp(term)) > 0]


def stepwise(data: Data, seed: str) -> Iterator[float]:
    """The mean squared error of each sum of terms that is fitted; terms are tried in an order that the seed decides."""
    terms, chosen = library(data), list[Array]()
    Random(seed).shuffle(terms)
    variance = float(np.var(data.target))
    best = variance
    while len(chosen) < MOST_TERMS and best > EXACT * variance and terms:
        errors = list[float]()
        for term in terms:
            errors.append(_error([*chosen, term], data.target))
            yield errors[-1]
        least = int(np.argmin(errors))
        best = errors[least]
        chosen.append(terms.pop(least))


def _error(terms: list[Array], target: Array) -> float:
    """The mean squared error of the least-squares sum of terms, with a constant."""
    columns = np.column_stack([np.ones_like(target), *(term / np.max(np.abs(term)) for term in terms)])
    solution = np.linalg.lstsq(columns, target, rcond=None)[0]
    return float(np.mean((columns @ solution - target) ** 2))
