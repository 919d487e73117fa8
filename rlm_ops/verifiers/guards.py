"""What may be handed to third-party judges that evaluate the text they judge.

Some of reasoning-gym's checkers pass the answer to `eval` or to SymPy's `parse_expr`, which is `eval`. Text of a model
is data, so it goes there only in a form that cannot call, reach an attribute, or compute something enormous. An answer
in no such form is in no form those sets ask for either.
"""

from __future__ import annotations

import ast
import re

EVALUATES_PYTHON = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
"""reasoning-gym sets whose checker calls `eval` on the answer (0.1.25)."""

EVALUATES_SYMPY = frozenset({
    "countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24", "simple_integration",
})  # fmt: skip
"""reasoning-gym sets whose checker calls SymPy's `parse_expr` on the answer (0.1.25)."""

_PLAIN = re.compile(r"[A-Za-z0-9 ,\n]*|[01A-Za-z_Q\n ]*")
_FORMULA = re.compile(r"[A-Za-z0-9_+\-*/^(). ]{1,1000}")
_NAME = re.compile(r"[A-Za-z_]\w*")
_FUNCTIONS = frozenset({
    "sin", "cos", "tan", "sec", "csc", "cot", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "exp", "log", "ln", "sqrt", "Abs", "pi",
})  # fmt: skip
_LARGEST_POWER = 100
_LONGEST = 10_000


def is_plain_python(answer: str) -> bool:
    """Whether `eval(answer)` could at most build a literal or look up a name."""
    if len(answer) > _LONGEST:
        return False
    if _PLAIN.fullmatch(answer):
        return True
    try:
        ast.literal_eval(answer)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False
    return True


def is_plain_formula(answer: str) -> bool:
    """Whether `answer` is arithmetic over numbers, one-letter variables and known functions, with moderate powers."""
    if not _FORMULA.fullmatch(answer):
        return False
    if any(len(name) > 1 and name not in _FUNCTIONS for name in _NAME.findall(answer)):
        return False
    try:
        tree = ast.parse(answer.strip().replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_harmless(node) for node in ast.walk(tree)) and _power_depth(tree) <= 2


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        numbers = [part.value for part in ast.walk(node.right) if isinstance(part, ast.Constant)]
        return all(isinstance(number, int | float) and abs(number) <= _LARGEST_POWER for number in numbers)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float)
    return isinstance(
        node, ast.Expression | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop | ast.Name | ast.expr_context
    )


def _power_depth(tree: ast.AST) -> int:
    """How many powers stand inside one another."""
    deepest = 0
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        depth += isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
        deepest = max(deepest, depth)
        stack.extend((child, depth) for child in ast.iter_child_nodes(node))
    return deepest
