"""Random formulas, and formulas changed at random: what random search and scripted proposers write.

Every constant is a parameter to be fitted. Nothing here reads data or knows how good a formula is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from random import Random

from reflectree.graphs.discovery.formula import PARAMS, read_formula
from reflectree.graphs.discovery.terms import FormulaError

_PARAM = re.compile(rf"\b{PARAMS}\[\d+\]")
_UNARY = ("np.exp({0})", "np.exp(-{0})", "np.cos({0})", "np.sqrt({0})", "np.expm1({0})")
_BINARY = ("{0} * {1}", "{0} / {1}", "{0} + {1}", "{0} - {1}", "{0} * {1}")
_TRIES = 20


def function_of(expression: str, inputs: Sequence[str]) -> str:
    """A formula's function around one expression, its parameters numbered in order."""
    numbers = iter(range(1000))
    numbered = _PARAM.sub(lambda _: f"{PARAMS}[{next(numbers)}]", expression)
    return f"def equation({', '.join(inputs)}, {PARAMS}):\n    return {numbered}"


def random_formula(inputs: Sequence[str], rng: Random) -> str:
    """A random formula with no more constants than a formula may have."""
    return _valid(lambda: f"{PARAMS}[0] * ({_random(inputs, rng, rng.choice((1, 2, 2, 3)))})", inputs)


def changed_formula(source: str, inputs: Sequence[str], rng: Random) -> str:
    """The formula with one part of it replaced, wrapped or added to; a random one where it cannot be read."""
    body = _returned(source)
    if body is None:
        return random_formula(inputs, rng)
    return _valid(lambda: _changed(body, inputs, rng), inputs)


def _valid(make: Callable[[], str], inputs: Sequence[str]) -> str:
    """The first of a few that reads as a formula; a plain product where none does."""
    for _ in range(_TRIES):
        source = function_of(make(), inputs)
        try:
            read_formula(source, len(inputs))
        except FormulaError:
            continue
        return source
    return function_of(f"{PARAMS}[0] * {inputs[0]}", inputs)


def _random(inputs: Sequence[str], rng: Random, depth: int) -> str:
    """An expression; powers with a fitted exponent are likely, for they are what laws are made of."""
    if depth <= 0 or rng.random() < 0.2:
        name = rng.choice(inputs)
        return rng.choice((name, name, f"{name} ** {PARAMS}[0]", f"({PARAMS}[0] * {name})", f"{PARAMS}[0]"))
    if rng.random() < 0.3:
        return rng.choice(_UNARY).format(f"({_random(inputs, rng, depth - 1)})")
    one, two = (f"({_random(inputs, rng, depth - 1)})" for _ in range(2))
    return rng.choice(_BINARY).format(one, two)


def _changed(body: ast.expr, inputs: Sequence[str], rng: Random) -> str:
    whole = ast.unparse(body)
    kind = rng.random()
    if kind < 0.25:
        return rng.choice(_BINARY).format(f"({whole})", f"({_random(inputs, rng, 1)})")
    parts = [node for node in ast.walk(body) if isinstance(node, ast.BinOp | ast.Call | ast.Name | ast.Subscript)]
    names = {ast.unparse(node) for node in parts} - {"np", PARAMS}
    part = rng.choice(sorted(names))
    new = _random(inputs, rng, 1 if kind < 0.7 else 2) if kind < 0.85 else rng.choice(_UNARY).format(f"({part})")
    places = [match.start() for match in re.finditer(re.escape(part), whole)]
    at = rng.choice(places)
    return f"{whole[:at]}({new}){whole[at + len(part) :]}"


def _returned(source: str) -> ast.expr | None:
    """The expression of a function whose body is one `return`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    match tree.body:
        case [*_, ast.FunctionDef(body=[*_, ast.Return(value=ast.expr() as value)])]:
            return value
        case _:
            return None
