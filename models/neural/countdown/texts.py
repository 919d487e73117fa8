"""Countdown in words: which puzzle a question asks, and steps that people can read and that parse back exactly.

A step is `8 + 3 = 11 | 24 from 5 11 12`; the last one has a second line, `Answer: (8 + 3) * ...`. The policy writes the
operation only; the arithmetic and what is left are the environment's. It knows no network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reflectree.models.neural.countdown.game import Move, State, after, state
from reflectree.rlm_ops.errors import BadInput

MOST_NUMBERS = 6
MOST_TARGET = 9999
_NUMBERS = r"\d{1,4}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s+)\d{1,4})*"
_QUESTIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\s*(?P<target>\d{{1,4}})\|(?P<numbers>{_NUMBERS})>?\s*",
        rf"(?s:.*)\busing all the numbers (?P<numbers>{_NUMBERS}), create an expression that equals "
        r"(?P<target>\d+)(?s:.*)",
        rf"(?s:.*)\bmake (?P<target>\d+) using all of these numbers: (?P<numbers>{_NUMBERS})(?s:.*)",
        rf"(?s:.*)\bcalculate (?P<target>\d+) using all of these numbers: (?P<numbers>{_NUMBERS})(?s:.*)",
        rf"(?s:.*)\buse (?P<numbers>{_NUMBERS}) to make (?P<target>\d+)(?s:.*)",
        rf"(?s:.*)\bmake (?P<target>\d+) (?:of|from|with|out of) (?P<numbers>{_NUMBERS})(?s:.*)",
    )
)
"""The forms of a question: the state itself, reasoning-gym's three, and two in plain words."""
_STEP = re.compile(r"(\d{1,9}) ([-+*]) (\d{1,9}) = (\d{1,12}) \| (\d{1,4}) from (\d{1,12}(?: \d{1,12})*)")
ANSWER = "\nAnswer: "
LONGEST = 2000
"""Characters of the longest question that is read."""


def puzzle(question: str) -> State:
    """The puzzle a question asks.

    Raises:
        BadInput: It asks none that these models know.
    """
    if len(question) <= LONGEST:
        for pattern in _QUESTIONS:
            if found := pattern.fullmatch(question):
                numbers = [int(number) for number in re.findall(r"\d+", found["numbers"])]
                if 2 <= len(numbers) <= MOST_NUMBERS and int(found["target"]) <= MOST_TARGET:
                    return state(int(found["target"]), numbers)
    raise BadInput(
        f"the Countdown models cannot read this question ({question.strip()[:60]!r}): ask '24|3 5 8 12>' or 'Make 24 "
        f"from 3, 5, 8 and 12.', with 2 to {MOST_NUMBERS} numbers"
    )


def write_step(move: Move, then: State) -> str:
    """A step in words, without the answer's line."""
    left = " ".join(map(str, then.numbers))
    return f"{move.left} {move.operation} {move.right} = {move.result} | {then.target} from {left}"


def read_step(text: str, at: State) -> tuple[Move, State]:
    """The move of a step in words, and the state after it.

    Raises:
        BadInput: It is no step of this state.
    """
    first = text.strip().partition("\n")[0].strip()
    if found := _STEP.fullmatch(first):
        move = Move(found[2], int(found[1]), int(found[3]))
        then = after(at, move)
        if then is not None and first == write_step(move, then):
            return move, then
    raise BadInput(f"{first[:80]!r} is no step from {at.target}|{' '.join(map(str, at.numbers))}>")


def read_steps(puzzle: State, texts: Sequence[str]) -> list[tuple[list[Move], State]]:
    """For each text, which may hold several steps a line each, its moves and the state after them.

    Raises:
        BadInput: One of them is no step of the state it stands at.
    """
    at, found = puzzle, []
    for text in texts:
        moves: list[Move] = []
        for line in filter(None, map(str.strip, text.splitlines())):
            if line.startswith("Answer:") and len(at.numbers) == 1:
                continue
            move, at = read_step(line, at)
            moves.append(move)
        if not moves:
            raise BadInput("an empty step cannot be read")
        found.append((moves, at))
    return found


def expression(puzzle: State, moves: Sequence[Move]) -> str:
    """What the moves have made of the numbers, as one infix expression with the brackets it needs."""
    held = [(number, str(number), 3) for number in puzzle.numbers]
    for move in moves:
        left = held.pop(next(place for place, (number, _, _) in enumerate(held) if number == move.left))
        right = held.pop(next(place for place, (number, _, _) in enumerate(held) if number == move.right))
        rank = 2 if move.operation == "*" else 1
        first = left[1] if left[2] >= rank else f"({left[1]})"
        # what is subtracted keeps its brackets; a product's factors keep those around sums
        second = right[1] if right[2] > rank or (right[2] == rank and move.operation != "-") else f"({right[1]})"
        held.append((move.result, f"{first} {move.operation} {second}", rank))
    return held[0][1]
