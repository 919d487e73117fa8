"""A formula as a Python function, read into arithmetic on arrays without ever being run as Python.

A formula is one function of input variables and `params` whose body is assignments and a `return`; its expressions may
use numbers, the operators + - * / **, comparisons inside `where`, and functions of an allow list. Everything else is
refused by name. The function is interpreted over its syntax tree: no code of a model is compiled or executed, so there
is nothing to contain, and NumPy can be used, which the sandbox has not.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reflectree.graphs.discovery.terms import (
    BINARY,
    COMPARE,
    CONSTANTS,
    FUNCTIONS,
    MODULES,
    QUIET,
    UNARY,
    Array,
    FormulaError,
    Scope,
    Term,
    applied,
    constant,
)

MOST_PARAMS = 10
"""Constants a formula may have (LLM-SR)."""
MOST_NODES = 300
MOST_CHARACTERS = 8000
PARAMS = "params"
_VALUES = "[]"
"""Where a scope holds the constants: no name that a formula could use."""

_BLOCK = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that can be evaluated.

    Attributes:
        inputs: Names of its input variables, in order.
        params: How many constants it has: one more than the largest index of `params` it uses.
        source: The function, as it was read.
    """

    inputs: tuple[str, ...]
    params: int
    source: str
    _steps: tuple[tuple[str, Term], ...]
    _result: Term

    def __call__(self, inputs: Sequence[Array], params: Sequence[float] | Array) -> Array:
        """The formula's values for arrays of inputs, shape (n,); not-a-number or infinite where it has none."""
        scope: Scope = dict(zip(self.inputs, inputs, strict=True))
        scope[_VALUES] = np.asarray(params, dtype=np.float64)
        with np.errstate(all="ignore"):
            for name, term in self._steps:
                scope[name] = term(scope)
            values = np.asarray(self._result(scope), dtype=np.float64)
            return np.broadcast_to(values, inputs[0].shape) if values.ndim == 0 else values


def read_formula(text: str, inputs: int) -> Formula:
    """The formula in a text: its function, the last one where there are several.

    Args:
        text: Python source, with or without a code fence; imports of NumPy and `math` are allowed and ignored.
        inputs: How many input variables the function has besides `params`.

    Raises:
        FormulaError: It holds none, or something that is not allowed.
    """
    source = blocks[-1] if (blocks := _BLOCK.findall(text)) else text
    if len(source) > MOST_CHARACTERS:
        raise FormulaError(f"the formula has {len(source)} characters, and {MOST_CHARACTERS} are the most")
    try:
        with QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings, which a model may write in a docstring
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"the formula is not Python: {str(error) or 'it is nested too deeply'}") from error
    if sum(1 for _ in ast.walk(tree)) > 4 * MOST_NODES:
        raise FormulaError("the formula is too long")
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    others = [node for node in tree.body if not isinstance(node, ast.FunctionDef) and not _is_harmless(node)]
    if not functions or others:
        raise FormulaError("give one function and nothing else: def equation(..., params): ... return ...")
    try:
        return _Reader(functions[-1], inputs).formula()
    except RecursionError as error:
        raise FormulaError("the formula is nested too deeply") from error


class _Reader:
    """Turns one function's syntax tree into terms."""

    def __init__(self, function: ast.FunctionDef, inputs: int) -> None:
        arguments = function.args
        names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or function.decorator_list:
            raise FormulaError("the function takes plain arguments only and has no decorator")
        if len(names) != inputs + 1 or len(set(names)) != len(names):
            raise FormulaError(f"the function takes {inputs} inputs and {PARAMS}, not ({', '.join(names)})")
        self.function = function
        self.inputs = tuple(names[:-1])
        self.params_name = names[-1]
        self.known = set(self.inputs)
        self.used = -1
        self.nodes = 0

    def formula(self) -> Formula:
        """The formula that the body stands for."""
        steps = list[tuple[str, Term]]()
        for statement in self.function.body:
            if isinstance(statement, ast.Return) and statement.value is not None:
                result = self.term(statement.value)
                return Formula(self.inputs, self.used + 1, ast.unparse(self.function), tuple(steps), result)
            steps += self._assignment(statement)
        raise FormulaError("the function returns nothing")

    def _assignment(self, statement: ast.stmt) -> list[tuple[str, Term]]:
        if _is_harmless(statement):
            return []
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                term = self.term(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                term = self.term(value)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                term = self.term(ast.BinOp(ast.Name(target.id, ast.Load()), op, value))
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value) if self._is_params(value):
                return self._unpacked(names)
            case _:
                raise FormulaError(f"{_shown(statement)} is not allowed: assign to a name, or return")
        if name == self.params_name:
            raise FormulaError(f"{name} holds the constants and cannot be assigned")
        self.known.add(name)
        return [(name, term)]

    def _unpacked(self, names: Sequence[ast.expr]) -> list[tuple[str, Term]]:
        """`a, b = params`, or of a slice of it from its beginning."""
        steps = list[tuple[str, Term]]()
        for index, target in enumerate(names):
            if not isinstance(target, ast.Name):
                raise FormulaError(f"{_shown(target)} is not allowed as a name")
            steps.append((target.id, self._param(index)))
            self.known.add(target.id)
        return steps

    def _is_params(self, value: ast.expr) -> bool:
        match value:
            case ast.Name(id=name):
                return name == self.params_name
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Slice(lower=None, step=None)):
                return name == self.params_name
            case _:
                return False

    def term(self, node: ast.expr) -> Term:
        """An expression as a function of the names that are known."""
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise FormulaError(f"the formula has more than {MOST_NODES} parts")
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                return constant(value)
            case ast.Name(id=name) if name in self.known:
                return lambda scope: scope[name]
            case ast.Name(id=name) if name in CONSTANTS:
                return constant(CONSTANTS[name])
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in MODULES and name in CONSTANTS:
                return constant(CONSTANTS[name])
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(index))):
                if name == self.params_name and not isinstance(index, bool):
                    return self._param(index)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                return applied(UNARY[type(op)], self.term(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return applied(BINARY[type(op)], self.term(left), self.term(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARE:
                return applied(COMPARE[type(op)], self.term(left), self.term(right))
            case ast.Call(func=function, args=arguments, keywords=[]):
                return self._call(node, function, arguments)
            case _:
                pass
        raise FormulaError(f"{_shown(node)} is not allowed in a formula")

    def _call(self, node: ast.expr, function: ast.expr, arguments: Sequence[ast.expr]) -> Term:
        match function:
            case ast.Name(id=name):
                pass
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in MODULES:
                pass
            case _:
                raise FormulaError(f"{_shown(node)} is not allowed in a formula")
        if name not in FUNCTIONS:
            raise FormulaError(f"the function {name} is not allowed; known: {', '.join(FUNCTIONS)}")
        apply, count = FUNCTIONS[name]
        if len(arguments) != count:
            raise FormulaError(f"{name} takes {count} argument{'s' if count > 1 else ''}, not {len(arguments)}")
        return applied(apply, *map(self.term, arguments))

    def _param(self, index: int) -> Term:
        if not 0 <= index < MOST_PARAMS:
            raise FormulaError(f"{PARAMS}[{index}] is not there: a formula has at most {MOST_PARAMS} constants")
        self.used = max(self.used, index)
        return lambda scope: scope[_VALUES][index]


def _is_harmless(node: ast.stmt) -> bool:
    """An import of NumPy or `math`, a docstring, `pass`: nothing that has an effect, and none of it is run."""
    match node:
        case ast.Import(names=names):
            return all(name.name in ("numpy", "math") and (name.asname or name.name) in MODULES for name in names)
        case ast.ImportFrom(module="math" | "numpy", names=names):
            return all(name.asname is None and name.name in (*FUNCTIONS, *CONSTANTS) for name in names)
        case ast.Expr(value=ast.Constant()) | ast.Pass():
            return True
        case _:
            return False


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node).splitlines()[0]
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
