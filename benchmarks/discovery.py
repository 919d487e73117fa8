"""Discovery: best value against evaluations, beside the classical method and random search at equal evaluations.

    python -m benchmarks.discovery                                  # the scripted proposer, all problems, five seeds
    python -m benchmarks.discovery --quick                          # a look: two seeds, fewer evaluations

Each problem runs under the blueprint that suits it. The scripted proposer is no model: it varies the best candidates
that a prompt shows, so its rows say that the loop works and what blind variation reaches. A figure is a logarithm or a
gap, lower is better; intervals are Student's t over seeds, paired where two methods are compared, and where such an
interval holds zero the row says "no gain".
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Row, load, table, write
from reflectree.graphs.discovery import adiscover, problem, random_search, scripted_proposer
from reflectree.graphs.discovery.base import Problem
from reflectree.graphs.discovery.linear_regression import LinearRegression
from reflectree.graphs.discovery.symbolic import EXACT, Symbolic
from reflectree.graphs.discovery.tsp import Tsp
from reflectree.graphs.embodied.reaction import ReactionProblem
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.statistics import Interval

SEEDS = 5
EVALUATIONS = {"linear-regression": 101, "tsp": 101, "symbolic": 60}
"""Candidates a search asks for, by kind of problem: OPRO's 5 starts and 12 steps of 8; for laws, what time allows."""
QUICK = {"linear-regression": 29, "tsp": 29, "symbolic": 24}
LAWS = ("ideal-gas", "pendulum", "kepler", "damped-oscillator", "michaelis-menten")
METHODS = ("search", "classical", "random")
FIGURES = {
    "linear-regression": "log10 of loss over the optimum's",
    "tsp": "gap to the optimum",
    "symbolic": "log10 of NMSE",
    "reaction": "yield short of 100 %",
}
UNMEASURED = 6.0
"""The figure before anything valid was found, and the largest shown."""


@dataclass(frozen=True)
class Curves:
    """One seed of one problem: for each method the figure after each evaluation, all of one length."""

    search: tuple[float, ...]
    classical: tuple[float, ...]
    random: tuple[float, ...]
    failed: int
    tokens: int
    seconds: float


def measure(quick: bool) -> list[Row]:
    """The rows of this figure with the scripted proposer."""
    evaluations, seeds = (QUICK, 2) if quick else (EVALUATIONS, SEEDS)
    named: list[Callable[[int], str]] = [
        lambda seed: f"linear-regression/{seed}",
        lambda seed: f"tsp/10/{seed}",
        *((lambda _, law=law: f"symbolic/{law}") for law in LAWS),
    ]
    rows: list[Row] = []
    for name in named:
        kind = name(0).partition("/")[0]
        runs = [asyncio.run(scripted(problem(name(seed)), seed, evaluations[kind])) for seed in range(seeds)]
        rows += rows_of(name(0) if kind == "symbolic" else kind, runs, "scripted")
    return rows


async def scripted(given: Problem, seed: int, evaluations: int) -> Curves:
    """One run of the scripted proposer."""
    return await curves(given, scripted_proposer(given), seed, evaluations, Budget())


async def curves(given: Problem, policy: Any, seed: int, evaluations: int, budget: Budget) -> Curves:
    """One run, and the other two methods at as many evaluations.

    A search that ends by itself keeps its last value to the end, and the others get all evaluations; one that its
    budget ended is compared at the evaluations it reached.
    """
    started = time.monotonic()
    found = await adiscover(
        given, policy=policy, seed=seed, evaluations=evaluations, budget=budget, classical=False, concurrency=1
    )
    seconds = time.monotonic() - started
    cut = found.result.stop_reason.startswith("budget")
    length = min(found.evaluations, evaluations) if cut else evaluations
    search = [*found.curve, *([found.curve[-1]] * length if found.curve else [])][:length]
    return Curves(
        tuple(figure(given, value) for value in search),
        tuple(figure(given, value) for value in given.classical(length, seed)),
        tuple(figure(given, value) for value in random_search(given, length, seed)),
        found.failed,
        found.tokens,
        seconds,
    )


def figure(given: Problem, objective: float) -> float:
    """An objective as a figure of which lower is better, and which may be averaged over seeds and instances.

    Linear regression: log10 of the loss over the closed form's. Tours: the gap to the optimum. Laws: log10 of the mean
    squared error over the variance, -12 for a perfect fit. Reactions: the yield short of 100 %.
    """
    if not math.isfinite(objective):
        return UNMEASURED if given.sense == "min" or isinstance(given, Symbolic) else 100.0
    if isinstance(given, ReactionProblem):
        return 100.0 - objective
    if isinstance(given, LinearRegression):
        return min(UNMEASURED, math.log10(objective / given.loss(*given.optimum)))
    if isinstance(given, Tsp):
        optimum = given.optimum()
        assert optimum is not None
        return objective / optimum - 1
    assert isinstance(given, Symbolic)
    nmse = -objective / float(given.train.target.var())
    return min(UNMEASURED, math.log10(max(nmse, EXACT)))


def rows_of(name: str, runs: Sequence[Curves], proposer: str) -> list[Row]:
    """The rows of one problem: all methods after a quarter, half and all evaluations."""
    if not runs:
        return [Row(f"{name}, {proposer}: no candidate was evaluated in the time given", math.nan)]
    length = min(len(run.search) for run in runs)
    places = sorted({max(1, length // 4), max(1, length // 2), length})
    return [_row(name, runs, proposer, place) for place in places]


def _row(name: str, runs: Sequence[Curves], proposer: str, evaluations: int) -> Row:
    at = {method: [getattr(run, method)[evaluations - 1] for run in runs] for method in METHODS}
    shown = {method: t_interval(values) for method, values in at.items()}
    parts = [f"{shown['search'].low:.3g} to {shown['search'].high:.3g}"]
    for other in METHODS[1:]:
        difference = t_interval([one - two for one, two in zip(at["search"], at[other], strict=True)])
        parts.append(f"{other} {shown[other].estimate:.3g}: {verdict(difference)}")
    return Row(
        f"{name}, {FIGURES[name.partition('/')[0]]}, {proposer}, {evaluations} evaluations",
        shown["search"].estimate,
        note="; ".join(parts),
        details={
            "seeds": len(runs),
            **at,
            "curves": [{method: getattr(run, method) for method in METHODS} for run in runs],
            "failed": [run.failed for run in runs],
            "tokens": [run.tokens for run in runs],
            "seconds": [round(run.seconds, 2) for run in runs],
        },
    )


def verdict(difference: Interval) -> str:
    """What the interval of search minus another method allows to say; lower figures are better."""
    words = f"{difference.estimate:+.3g} ({difference.low:+.3g} to {difference.high:+.3g})"
    if difference.low <= 0 <= difference.high:
        return f"{words}, no gain"
    return f"{words}, better" if difference.high < 0 else f"{words}, worse"


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean and Student's t interval: a bootstrap of five values is too sure. One value has an interval of any width."""
    t = require("scipy.stats", "discovery", "the interval of a few seeds").t
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, -math.inf, math.inf)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    half = float(t.ppf(0.5 + confidence / 2, n - 1)) * spread
    return Interval(mean, mean - half, mean + half)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.discovery", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds and evaluations: a look, not a measurement")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything measured to this JSON file")
    options = parser.parse_args()
    loads = [load()]
    rows = measure(options.quick)
    loads.append(load())
    if options.out:
        write(options.out, rows, loads, options.quick)
    print(table(rows))
    print(f"\n{loads[0]} at the start, {loads[-1]} at the end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
