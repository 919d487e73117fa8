"""`countdown`: an expression that makes the target from the numbers, each used exactly once.

The rules stand in the task, so this verifier is not gold and may guide a search. The expression is parsed into Python's
syntax tree and walked over a whitelist; nothing is evaluated as code, and arithmetic is exact.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from reflectree.rlm_ops.errors import BadInput

_WRITTEN = str.maketrans({
    "\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u22c5": "*", "\u00b7": "*", "\u00f7": "/",
    "[": "(", "]": ")", "{": "(", "}": ")", "$": " ",
})  # fmt: skip
_LATEX = ((r"\times", "*"), (r"\cdot", "*"), (r"\div", "/"), (r"\left", ""), (r"\right", ""))
_ALLOWED = re.compile(r"[0-9+\-*/() ]+")
_RESULT = re.compile(r"\(? ?(-?[0-9]{1,30})(?:\.0+)? ?\)?")
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Countdown:
    """Right where the expression uses each number exactly once and equals the target; there is no partial credit."""

    numbers: tuple[int, ...]
    target: int
    name: str = "countdown"
    gold: bool = False

    def score(self, answer: str) -> float:
        """1 for a right expression (a trailing `= target` is allowed), else 0."""
        expression = _expression(answer, self.target)
        tree = None if expression is None else _parse(expression)
        if tree is None or Counter(_leaves(tree)) != Counter(self.numbers):
            return 0.0
        try:
            return float(_value(tree) == self.target)
        except (ZeroDivisionError, RecursionError):  # the latter by hundreds of signs before one number
            return 0.0


def countdown(numbers: Iterable[int], target: int) -> Countdown:
    """The rules of a Countdown puzzle: `+ - * /` and parentheses, each number exactly once.

    Raises:
        BadInput: There are no numbers, more than 32, negative ones, or something that is not a whole number.
    """
    given = tuple(numbers)
    if not 1 <= len(given) <= 32:
        raise BadInput(f"a countdown puzzle has 1 to 32 numbers, got {len(given)}")
    if any(type(number) is not int or number < 0 for number in given) or type(target) is not int:
        raise BadInput(f"a countdown puzzle has whole numbers from 0 and a whole target, got {given} and {target!r}")
    return Countdown(given, target)


def _expression(answer: str, target: int) -> str | None:
    """The expression in ASCII without `= target`; None for anything that cannot be one."""
    if len(answer) > _LONGEST:
        return None
    text = answer.translate(_WRITTEN)
    for latex, plain in _LATEX:
        text = text.replace(latex, plain)
    sides = " ".join(text.split()).rstrip(".").split("=")
    if len(sides) > 2:
        return None
    if len(sides) == 2:
        result = _RESULT.fullmatch(sides[1].strip())
        if result is None or int(result[1]) != target:
            return None
    expression = sides[0].strip()
    return expression if _ALLOWED.fullmatch(expression) else None


def _parse(expression: str) -> ast.expr | None:
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if all(_permitted(node) for node in ast.walk(tree)) else None


def _permitted(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    return isinstance(
        node,
        ast.BinOp | ast.UnaryOp | ast.Add | ast.Sub | ast.Mult | ast.Div | ast.UAdd | ast.USub,
    )


def _leaves(tree: ast.expr) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield node.value


def _value(node: ast.expr) -> Fraction:
    """The exact value; the tree is small, since its leaves are the puzzle's numbers."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return Fraction(node.value)
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    assert isinstance(node, ast.BinOp), "_permitted lets nothing else through"
    left, right = _value(node.left), _value(node.right)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    return left * right if isinstance(node.op, ast.Mult) else left / right
