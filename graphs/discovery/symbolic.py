"""Symbolic regression as LLM-SR sets it (Shojaee et al. 2024, arXiv 2404.18400): structure by words, constants by BFGS.

A candidate is a function skeleton `equation(x1, x2, params)` with at most ten constants. They are fitted, the score is
minus the mean squared error on the training points, and a formula without a number there is a failure. Test points
from inside and from outside the training ranges stand in the report only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from reflectree.agents.evaluators.base import Score, ScoreError
from reflectree.graphs.discovery.base import Sense, Waited, running_best, set_all, squash
from reflectree.graphs.discovery.expressions import changed_formula, random_formula
from reflectree.graphs.discovery.fitting import Data, Fit, fit, mean_squared_error
from reflectree.graphs.discovery.formula import MOST_PARAMS, Formula, read_formula
from reflectree.graphs.discovery.laws import LAWS, Law
from reflectree.graphs.discovery.stepwise import stepwise
from reflectree.graphs.discovery.terms import FormulaError
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies.parse import nearest
from reflectree.rlm_ops.task import Task

UNIT = 1e-6
"""The NMSE whose value is 0.59."""
EXACT = 1e-12
"""An NMSE that counts as a perfect fit: differences below it are rounding of the gradients, and no better formula."""


@dataclass(frozen=True, slots=True)
class Symbolic(Waited):
    """One law."""

    key: str
    name: str = field(init=False)
    task: Task = field(init=False)
    law: Law = field(init=False, repr=False, compare=False)
    train: Data = field(init=False, repr=False, compare=False)
    sense: Sense = field(default="max", init=False)
    needs: str = field(default="scipy.optimize", init=False, repr=False)
    blueprint: str = field(default="llm-sr", init=False, repr=False)

    def __post_init__(self) -> None:
        law = LAWS.get(self.key)
        if law is None:
            raise BadInput(f"there is no law {self.key!r}; {nearest(self.key, list(LAWS))}")
        name = f"symbolic/{self.key}"
        set_all(
            self, name=name, law=law, train=law.data(name, "train"), task=Task(_question(law), id=name, form="code")
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input variables."""
        return tuple(variable.name for variable in self.law.variables)

    def measure(self, candidate: str) -> Score:
        """Minus the mean squared error on the training points; the value is `squash` of the NMSE, 1 up to `EXACT`."""
        fitted = self.fitted(candidate)[1]
        nmse = fitted.mse / float(np.var(self.train.target))
        value = 1.0 if nmse <= EXACT else squash(nmse, UNIT)
        return Score(value, f"mean squared error {fitted.mse:.3g}", scores=(-fitted.mse,))

    def fitted(self, candidate: str) -> tuple[Formula, Fit]:
        """The candidate as a formula, with its constants fitted.

        Raises:
            ScoreError: It is no formula, or it has no number at some training point, whatever the constants.
        """
        try:
            formula = read_formula(candidate, len(self.law.variables))
        except FormulaError as error:
            raise ScoreError(str(error)) from error
        found = fit(formula, self.train)
        if not math.isfinite(found.mse):
            raise ScoreError("the formula is not a number at some of the points, with any constants that were tried")
        return formula, found

    def report(self, answer: str) -> dict[str, Any]:
        """The error on test points from inside and from outside the training ranges, in parts of their variance."""
        formula, found = self.fitted(answer)

        def nmse(part: str) -> float | None:
            data = self.law.data(self.name, part)
            error = mean_squared_error(formula, data, found.params) / float(np.var(data.target))
            return error if math.isfinite(error) else None

        return {
            "objective": -found.mse,
            "nmse_train": found.mse / float(np.var(self.train.target)),
            "nmse_test": nmse("test"),
            "nmse_beyond": nmse("beyond"),
            "params": list(found.params),
            "formula": formula.source,
        }

    def classical(self, evaluations: int, seed: int) -> list[float]:
        """Stepwise regression over a library of terms; each least-squares fit is counted."""
        found = list[float]()
        for error in stepwise(self.train, f"{self.name}:classical:{seed}"):
            if len(found) == evaluations:
                break
            found.append(-error)
        found += [math.nan] * (evaluations - len(found))  # it has ended: nothing more is found
        return running_best(found, self.sense)

    def draw(self, rng: Random) -> str:
        """A random formula."""
        return random_formula(self.inputs, rng)

    def vary(self, shown: Sequence[str], rng: Random) -> str:
        """The best formula with one part changed; now and then another of those shown, or a fresh one."""
        if not shown or rng.random() < 0.15:
            return self.draw(rng)
        chosen = shown[-1] if rng.random() < 0.75 else rng.choice(shown)
        return changed_formula(chosen, self.inputs, rng)


def _question(law: Law) -> str:
    names = ", ".join(variable.name for variable in law.variables)
    about = "\n".join(f"    {variable.name}: {variable.about}" for variable in law.variables)
    return (
        f"Find the formula for the {law.target}, as the body of this Python function:\n\n"
        f'def equation({names}, params):\n    """The {law.target}.\n\n{about}\n'
        f'    params: constants to be fitted, params[0] to at most params[{MOST_PARAMS - 1}]\n    """\n\n'
        "The inputs are NumPy arrays. The constants are fitted to measured points afterwards; the score is minus the "
        "mean squared error, and a higher score is better. Use arithmetic, names and functions such as np.exp, np.log, "
        "np.sqrt, np.sin, np.cos, np.where; there are no loops, no branches and no other libraries."
    )
