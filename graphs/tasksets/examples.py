"""Worked examples for generated task sets, always of other entries than the tasks'.

Countdown examples show every step with what is left; other sets have only questions with their answers.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Example
from reflectree.rlm_ops.verifiers import countdown
from reflectree.rlm_ops.verifiers.gym import SEED_STRIDE, gym_dataset, gym_entry

_FIRST = SEED_STRIDE // 2
"""Examples are drawn from here on in a seed's range; tasks end before."""

_MOST_TRIES = 1000
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def examples_for(
    name: str, k: int, seed: int = 0, *, config: Mapping[str, Any] | None = None, avoid: str = ""
) -> tuple[Example, ...]:
    """Solved examples of a reasoning-gym set.

    A Countdown example has one step a line, such as `9 + 8 = 17 (left: 3 17)`, and answers `(9 + 8) - 3`.

    Args:
        name: The set's name.
        k: How many.
        seed: Which; whatever it is, none is an entry of a task set of any seed.
        config: Fields of the set's configuration.
        avoid: A question that no example may ask, since small generators repeat themselves.

    Raises:
        BadInput: No such set, a refused configuration, or a generator that has not k different examples.
        MissingExtra: reasoning-gym is not installed.
    """
    return Examples(name, seed, config or {}).take(k, avoid=avoid)


class Examples:
    """A stock of different examples that grows as they are asked for."""

    def __init__(self, name: str, seed: int, config: Mapping[str, Any]) -> None:
        """Examples of the set `name`; those of different seeds differ."""
        own_seed = config.get("seed")
        start = seed * SEED_STRIDE if own_seed is None else int(own_seed)
        settings = {**config, "seed": (start + _FIRST) % 2**32}
        self._name = name
        self._dataset = gym_dataset(name, config=settings, size=_MOST_TRIES)
        self._stock: dict[str, Example] = {}
        self._tried = 0

    def take(self, k: int, avoid: str = "") -> tuple[Example, ...]:
        """The first `k` examples whose question is not `avoid`."""
        while True:
            fitting = [example for question, example in self._stock.items() if question != avoid]
            if len(fitting) >= k:
                return tuple(fitting[:k])
            if self._tried == _MOST_TRIES:
                raise BadInput(f"reasoning_gym:{self._name} has not {k} different examples under this configuration")
            example = self._make(gym_entry(self._dataset, self._tried))
            self._tried += 1
            if example is not None:
                self._stock.setdefault(example.question, example)

    def _make(self, item: dict[str, Any]) -> Example | None:
        if item["answer"] is None:  # these sets have a checker, but state no answer that could be shown
            return None
        if self._name == "countdown":
            return countdown_example(item["metadata"]["numbers"], item["metadata"]["target"], str(item["answer"]))
        return Example(str(item["question"]).strip(), (), str(item["answer"]))


def countdown_question(numbers: Sequence[int], target: int) -> str:
    """A Countdown puzzle in plain words; the numbers stand in one order, so that the same puzzle asks the same."""
    ordered = [str(number) for number in sorted(numbers)]
    listed = f"{', '.join(ordered[:-1])} and {ordered[-1]}" if len(ordered) > 1 else ordered[0]
    return (
        f"Use {listed} to make {target}. Use each number exactly once, with + - * / and parentheses. "
        "Give the expression, without an equals sign."
    )


def countdown_example(numbers: Sequence[int], target: int, solution: str) -> Example | None:
    """A worked example from a solution, or None where a step would leave the positive whole numbers."""
    tree = ast.parse(solution, mode="eval").body
    left = [str(number) for number in sorted(numbers)]
    steps: list[str] = []
    if _work(tree, left, steps) != target:
        return None
    answer = _write(tree)
    if countdown(numbers, target).score(answer) < 1.0:
        return None
    return Example(countdown_question(numbers, target), tuple(steps), answer)


def _work(node: ast.expr, left: list[str], steps: list[str]) -> Fraction | None:
    """The value of `node`, with a step written for each operation; None where the steps would not be plain."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return Fraction(node.value)
    if not isinstance(node, ast.BinOp) or type(node.op) not in _SIGNS:
        return None
    first, second = _work(node.left, left, steps), _work(node.right, left, steps)
    if first is None or second is None or (isinstance(node.op, ast.Div) and second == 0):
        return None
    value = _apply(node.op, first, second)
    if value <= 0 or value.denominator != 1 or str(first) not in left:
        return None
    left.remove(str(first))
    if str(second) not in left:
        return None
    left.remove(str(second))
    left.append(str(value))
    steps.append(f"{first} {_SIGNS[type(node.op)]} {second} = {value} (left: {' '.join(left)})")
    return value


def _apply(operator: ast.operator, first: Fraction, second: Fraction) -> Fraction:
    if isinstance(operator, ast.Add):
        return first + second
    if isinstance(operator, ast.Sub):
        return first - second
    return first * second if isinstance(operator, ast.Mult) else first / second


def _write(node: ast.expr, inner: bool = False) -> str:
    """The expression with every operation but the outermost in parentheses."""
    if isinstance(node, ast.BinOp):
        text = f"{_write(node.left, True)} {_SIGNS[type(node.op)]} {_write(node.right, True)}"
        return f"({text})" if inner else text
    return ast.unparse(node)
