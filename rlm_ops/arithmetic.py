"""Exact arithmetic on an expression a model wrote: parsed, walked over a whitelist, never evaluated as code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

from reflectree.rlm_ops.errors import BadInput

LONGEST = 1000
"""Most characters of an expression."""
HIGHEST_POWER = 64
"""Largest exponent, so that a result stays a number one can print."""
WIDEST = 4096
"""Most bits of a number on the way."""

_CHARACTERS = re.compile(r"[0-9eE_.+\-*/%()\s]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DRESS = str.maketrans({"\u00d7": "*", "\u00f7": "/", "\u2212": "-", "^": "**"})

_BINARY: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction | int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def compute(expression: str) -> Fraction:
    """The value of an expression of numbers, `+ - * / // % **` and parentheses.

    Raises:
        BadInput: It is no such expression, divides by zero, or grows beyond all bounds.
    """
    if len(expression) > LONGEST:
        raise BadInput(f"an expression has at most {LONGEST} characters")
    text = _THOUSANDS.sub("", expression.strip().translate(_DRESS))
    if not _CHARACTERS.fullmatch(text):
        raise BadInput(f"{text[:60]!r} is no arithmetic: use numbers, + - * / // % ** and parentheses")
    try:
        return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise BadInput(f"{text[:60]!r} is no arithmetic expression") from error
    except ZeroDivisionError as error:
        raise BadInput(f"{text[:60]!r} divides by zero") from error


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow):
            return _power(left, right)
        apply = _BINARY.get(type(node.op))
        if apply is not None:
            return _bounded(Fraction(apply(left, right)))
    raise BadInput(f"{ast.unparse(node)[:60]!r} is no arithmetic: use numbers, + - * / // % ** and parentheses")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > HIGHEST_POWER:
        raise BadInput(f"an exponent is a whole number of at most {HIGHEST_POWER}")
    return _bounded(Fraction(base**exponent.numerator))


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > WIDEST:
        raise BadInput("a number on the way is too large")
    return value
