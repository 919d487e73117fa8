"""The game of Countdown: numbers, a target, and moves that take two numbers and put their result in their place.

All numbers must be used. Operations are plus, minus and times; a difference is never negative, which loses no puzzle of
reasoning-gym's (a negative intermediate result can be held with its sign turned). It knows no texts and no models.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

OPERATIONS = "+-*"
HELD_OUT = 5
"""One puzzle in so many is a test puzzle."""


@dataclass(frozen=True, slots=True, order=True)
class State:
    """A target and the numbers that are left, ascending."""

    target: int
    numbers: tuple[int, ...]

    @property
    def solved(self) -> bool:
        """Whether one number is left, and it is the target."""
        return self.numbers == (self.target,)


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """An operation on two numbers, the larger one first: one spelling a move."""

    operation: str
    left: int
    right: int

    @property
    def result(self) -> int:
        """What the two numbers become."""
        if self.operation == "+":
            return self.left + self.right
        return self.left - self.right if self.operation == "-" else self.left * self.right


def state(target: int, numbers: tuple[int, ...] | list[int]) -> State:
    """The state with these numbers, in any order."""
    return State(target, tuple(sorted(numbers)))


def moves(at: State) -> list[Move]:
    """All different moves."""
    numbers = at.numbers
    pairs = {(numbers[j], numbers[i]) for j in range(len(numbers)) for i in range(j)}
    return [Move(operation, *pair) for pair in sorted(pairs) for operation in OPERATIONS]


def after(at: State, move: Move) -> State | None:
    """The state after a move; `None` where the move is not one of the game."""
    if move.operation not in OPERATIONS or move.left < move.right:
        return None
    left = list(at.numbers)
    for number in (move.left, move.right):
        if number not in left:
            return None
        left.remove(number)
    left.append(move.result)
    return state(at.target, left)


@lru_cache(maxsize=200_000)
def solvable(at: State) -> bool:
    """Whether some moves reach the target (by enumeration: for tests and figures, never for a search)."""
    if len(at.numbers) == 1:
        return at.solved
    return any(solvable(found) for move in moves(at) if (found := after(at, move)) is not None)


def is_test(at: State) -> bool:
    """Whether a puzzle is held out: a hash of numbers and target says so, for a seed alone would leak."""
    text = " ".join(map(str, at.numbers)) + f"|{at.target}"
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()[0] % HELD_OUT == 0
