"""What a search over reaction conditions is compared with at equal experiments: chance, and Bayesian optimisation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import accumulate
from random import Random

from reflectree.graphs.embodied.reaction_surface import CHOICES, RANGES, Conditions, Surface
from reflectree.rlm_ops.extras import require

FIRST = 8
"""Experiments at random conditions before the Gaussian process is asked."""


CANDIDATES = 2000
"""Conditions among which expected improvement chooses the next experiment."""


def random_search(surface: Surface, experiments: int, seed: int) -> list[Conditions]:
    """Random conditions, one an experiment."""
    rng = Random(f"reaction:{surface.seed}:random:{seed}")
    return [Conditions.drawn(rng) for _ in range(experiments)]


def bayesian(surface: Surface, experiments: int, seed: int) -> list[Conditions]:
    """What scikit-optimize runs: a Gaussian process over choices and settings, and the largest expected improvement.

    Raises:
        MissingExtra: scikit-optimize is not installed.
    """
    skopt = require("skopt", "discovery", "Bayesian optimisation of a reaction")
    space = require("skopt.space", "discovery", "Bayesian optimisation of a reaction")
    dimensions = [space.Categorical(known, name=name) for name, known in CHOICES.items()]
    for name, (least, most, _) in RANGES.items():
        prior = "log-uniform" if name == "time" else "uniform"
        dimensions.append(space.Real(least, most, prior=prior, name=name))
    optimizer = skopt.Optimizer(
        dimensions,
        base_estimator="GP",
        n_initial_points=min(FIRST, experiments),
        acq_func="EI",
        acq_optimizer="sampling",
        acq_optimizer_kwargs={"n_points": CANDIDATES},
        random_state=seed,
    )
    names, run = (*CHOICES, *RANGES), list[Conditions]()
    with warnings.catch_warnings():
        # neighbouring points round to the same conditions, and a Gaussian process of eight points may fit badly
        warnings.filterwarnings("ignore", message="The objective has been evaluated at")
        warnings.filterwarnings("ignore", module=r"sklearn\.gaussian_process")
        for _ in range(experiments):
            point = optimizer.ask()
            conditions = Conditions.of(dict(zip(names, point, strict=True)))
            run.append(conditions)
            optimizer.tell(point, -surface.measured(conditions))
    return run


def best_so_far(surface: Surface, run: Sequence[Conditions]) -> list[float]:
    """The highest measured yield after each experiment, in percent."""
    return list(accumulate((surface.measured(conditions) for conditions in run), max))
