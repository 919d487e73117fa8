"""Linear regression as OPRO sets it (Yang et al. 2023, arXiv 2309.03409, section 3): find w and b from values alone.

The points are y = w x + b + noise at x = 1..50, with hidden whole numbers w and b. The proposer sees pairs (w, b) and
their function values, the sum of squared residuals, and never the points. The closed form, which does see them, is the
known optimum and stands in the report only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflectree.agents.evaluators.base import Score, ScoreError
from reflectree.graphs.discovery.base import NUMBER, Measured, running_best, set_all, squash
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.task import Task

POINTS = 50
LEAST, MOST = 10.0, 20.0
"""Where hidden values and random starts lie."""
FARTHEST = 1e6
"""The largest absolute value of a candidate's numbers."""

_WORD = r"(?:[wb]\s*[=:]\s*)?"
_PAIR = re.compile(rf"[\[(]?\s*{_WORD}({NUMBER})\s*[,;\s]\s*{_WORD}({NUMBER})\s*[\])]?")

QUESTION = (
    "Minimise a function of two numbers w and b. The function is not shown, only its values at the pairs that were "
    "tried; a lower value is better. w and b may be any decimal numbers; good ones are likely to lie between 0 and 30."
    " Propose a pair that has not been tried. The answer is the pair alone, for example: 12.5, 7"
)


@dataclass(frozen=True, slots=True)
class LinearRegression(Measured):
    """One instance; the seed decides w, b and the noise."""

    seed: int = 0
    name: str = field(init=False)
    task: Task = field(init=False)
    w: int = field(init=False, repr=False)
    b: int = field(init=False, repr=False)
    _x: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _y: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise BadInput(f"linear-regression/{self.seed}: a seed is at least 0")
        rng = np.random.default_rng(self.seed)
        w, b = (int(value) for value in rng.integers(int(LEAST), int(MOST), size=2, endpoint=True))
        x = np.arange(1.0, POINTS + 1)
        name = f"linear-regression/{self.seed}"
        set_all(self, name=name, task=Task(QUESTION, id=name), w=w, b=b, _x=x, _y=w * x + b + rng.normal(size=POINTS))

    def measure(self, candidate: str) -> Score:
        """The sum of squared residuals of a pair; the value is `squash` of it."""
        loss = self.loss(*read_pair(candidate))
        return Score(squash(loss), f"function value {loss:.6g}", scores=(loss,))

    def loss(self, w: float, b: float) -> float:
        """The sum of squared residuals."""
        residual = self._y - (w * self._x + b)
        return float(residual @ residual)

    @property
    def optimum(self) -> tuple[float, float]:
        """The closed form: the pair (w, b) of least squares."""
        design = np.column_stack([self._x, np.ones(POINTS)])
        w, b = np.linalg.lstsq(design, self._y, rcond=None)[0]
        return float(w), float(b)

    def report(self, answer: str) -> dict[str, Any]:
        """How far the pair is from the hidden one, and its error beyond the points it was measured on."""
        w, b = read_pair(answer)
        beyond = np.arange(POINTS + 1.0, 2 * POINTS + 1)
        error = (w - self.w) * beyond + (b - self.b)
        return {
            "objective": self.loss(w, b),
            "optimum": self.loss(*self.optimum),
            "error_w": w - self.w,
            "error_b": b - self.b,
            "mse_beyond": float(np.mean(error**2)),
        }

    def classical(self, evaluations: int, seed: int) -> list[float]:
        """Nelder-Mead (SciPy) from a random pair, started again where it has converged."""
        minimize = require("scipy.optimize", "discovery", "the classical method of linear regression").minimize
        rng, seen = Random(f"{self.name}:classical:{seed}"), list[float]()

        def value(point: NDArray[np.float64]) -> float:
            seen.append(self.loss(float(point[0]), float(point[1])))
            return seen[-1]

        while len(seen) < evaluations:
            start = [rng.uniform(LEAST, MOST), rng.uniform(LEAST, MOST)]
            options = {"maxfev": evaluations - len(seen)}
            minimize(value, start, method="Nelder-Mead", options=options)
        return running_best(seen[:evaluations], self.sense)

    def draw(self, rng: Random) -> str:
        """A pair where OPRO's starting points lie."""
        return write_pair(rng.uniform(LEAST, MOST), rng.uniform(LEAST, MOST))

    def vary(self, shown: Sequence[str], rng: Random) -> str:
        """The best pair moved by a difference of two of those shown (differential evolution, DE/best/1), and a little.

        Differences of good pairs lie along the valley in which w and b make up for each other.
        """
        pairs = [pair for text in shown if (pair := _try_pair(text)) is not None]
        if len(pairs) < 3:
            return self.draw(rng)
        (w, b), (one, two) = pairs[-1], rng.sample(pairs, 2)
        far = rng.uniform(0.2, 1.0)
        return write_pair(w + far * (one[0] - two[0]) + rng.gauss(0, 0.01), b + far * (one[1] - two[1]))


def read_pair(candidate: str) -> tuple[float, float]:
    """The pair a candidate gives, as `12.5, 7`, `[12.5, 7]` or `w=12.5, b=7`.

    Raises:
        ScoreError: It is no pair of numbers, or one of them is too large.
    """
    match = _PAIR.fullmatch(candidate.strip())
    if match is None:
        raise ScoreError("the candidate is no pair of numbers: write it as 12.5, 7")
    w, b = float(match[1]), float(match[2])
    if max(abs(w), abs(b)) > FARTHEST:  # holds for infinity, too
        raise ScoreError(f"w and b lie between -{FARTHEST:g} and {FARTHEST:g}")
    return w, b


def write_pair(w: float, b: float) -> str:
    """A pair as a candidate."""
    return f"{w:.4f}, {b:.4f}"


def _try_pair(text: str) -> tuple[float, float] | None:
    try:
        return read_pair(text)
    except ScoreError:
        return None
