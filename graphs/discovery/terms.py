"""The parts of formulas: what may be called and computed, and how parts become functions of a scope."""

from __future__ import annotations

import ast
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Scope: TypeAlias = dict[str, Any]
Term: TypeAlias = Callable[[Scope], Any]

FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int]] = {
    "exp": (np.exp, 1), "log": (np.log, 1), "log1p": (np.log1p, 1), "expm1": (np.expm1, 1), "sqrt": (np.sqrt, 1),
    "cbrt": (np.cbrt, 1), "sin": (np.sin, 1), "cos": (np.cos, 1), "tan": (np.tan, 1), "arcsin": (np.arcsin, 1),
    "arccos": (np.arccos, 1), "arctan": (np.arctan, 1), "sinh": (np.sinh, 1), "cosh": (np.cosh, 1),
    "tanh": (np.tanh, 1), "abs": (np.abs, 1), "fabs": (np.abs, 1), "absolute": (np.abs, 1), "sign": (np.sign, 1),
    "square": (np.square, 1), "reciprocal": (np.reciprocal, 1), "power": (np.power, 2), "pow": (np.power, 2),
    "maximum": (np.maximum, 2), "minimum": (np.minimum, 2), "where": (np.where, 3),
}  # fmt: skip
"""What may be called, bare or as `np.exp`, `numpy.exp`, `math.exp`, with the number of arguments."""
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "euler_gamma": float(np.euler_gamma)}
MODULES = frozenset({"np", "numpy", "math"})

BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
}  # fmt: skip
COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip
UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: np.negative, ast.UAdd: np.positive}

QUIET = threading.Lock()
"""Held where warnings are silenced, by us or inside SciPy. Python silences them for all threads at once, so that two
that do so at a time may raise what the other one silenced, or leave the whole process silent."""


class FormulaError(ValueError):
    """A text is no formula of the allowed kind; the message says what is wrong."""


def applied(function: Callable[..., Any], *terms: Term) -> Term:
    """A function of what the terms give."""
    if len(terms) == 1:
        (only,) = terms
        return lambda scope: function(only(scope))
    if len(terms) == 2:
        one, two = terms
        return lambda scope: function(one(scope), two(scope))
    return lambda scope: function(*(term(scope) for term in terms))


def constant(value: float) -> Term:
    """A number.

    Raises:
        FormulaError: It is too large for a float.
    """
    try:
        number = np.float64(value)  # arithmetic on it cannot raise, grow, or take long
    except OverflowError as error:
        raise FormulaError("a number of the formula is too large") from error
    return lambda scope: number
