"""Puzzles with solutions: those to train on, none of which is a test puzzle, and reasoning-gym's to test on.

Half of the solutions fold the numbers from left to right, as reasoning-gym makes its puzzles; the other half merge any
two numbers. It trains nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from reflectree.models.neural.countdown.game import Move, State, after, is_test, state
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require

SMALLEST_PUZZLE = 4
"""From so many numbers on, a state in the middle of a solution counts as a puzzle, and is held out like one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of puzzle: how many numbers, their range, the target's range."""

    numbers: int
    most: int = 12
    targets: tuple[int, int] = (10, 50)


FOUR = Kind(4)
FIVE = Kind(5, targets=(10, 60))
KINDS = {4: FOUR, 5: FIVE}


def _fold(numbers: list[int], random: Random) -> list[Move]:
    """A left fold with random operations as moves: a negative result is held with its sign turned."""
    held, sign, found = numbers[0], 1, []
    for number in numbers[1:]:
        operation = random.choice("+-*")
        if operation == "*":
            move = Move("*", max(held, number), min(held, number))
        elif (operation == "+") == (sign == 1):
            move = Move("+", max(held, number), min(held, number))
        else:
            move = Move("-", max(held, number), min(held, number))
            grown = held < number  # the number outweighs what was held
            sign = (1 if operation == "+" else -1) if grown else sign
        held = move.result
        found.append(move)
    return found if sign == 1 else []


def _merge(numbers: list[int], random: Random) -> list[Move]:
    """Random merges of any two numbers."""
    left, found = list(numbers), []
    while len(left) > 1:
        random.shuffle(left)
        a, b = left.pop(), left.pop()
        move = Move(random.choice("+-*"), max(a, b), min(a, b))
        left.append(move.result)
        found.append(move)
    return found


def generate(kind: Kind, random: Random) -> tuple[State, list[Move]]:
    """A random puzzle of the kind with a solution; it may be a test puzzle."""
    low, high = kind.targets
    while True:
        numbers = [random.randint(1, kind.most) for _ in range(kind.numbers)]
        found = (_fold if random.random() < 0.5 else _merge)(numbers, random)
        if found and low <= found[-1].result <= high:
            return state(found[-1].result, numbers), found


def pairs(puzzle: State, solution: list[Move]) -> list[tuple[State, Move]]:
    """Each state of a solution with the move made there."""
    made, at = [], puzzle
    for move in solution:
        made.append((at, move))
        following = after(at, move)
        assert following is not None
        at = following
    return made


def held_out(at: State) -> bool:
    """Whether a state must not be trained on: it is a puzzle, whole or half solved, of the test side."""
    return len(at.numbers) >= SMALLEST_PUZZLE and is_test(at)


def check(states: list[State]) -> None:
    """Assert that no state to train on is a test puzzle.

    Raises:
        BadInput: One is.
    """
    for at in states:
        if held_out(at):
            raise BadInput(f"{at} is a test puzzle: generate training data with reflectree.training.countdown.data")


def training_solutions(kinds: list[Kind], seed: int) -> Iterator[list[tuple[State, Move]]]:
    """Endless solved puzzles to train on."""
    random = Random(f"train {seed}")
    while True:
        made = pairs(*generate(random.choice(kinds), random))
        if not any(held_out(at) for at, _ in made):
            yield made


def training_puzzles(kind: Kind, count: int, seed: str) -> list[State]:
    """Different puzzles of the training side."""
    random, found = Random(seed), dict[State, None]()
    while len(found) < count:
        puzzle, _ = generate(kind, random)
        if not held_out(puzzle):
            found[puzzle] = None
    return list(found)


TEST_SEED = 4242


def unseen_puzzles(kind: Kind, count: int = 300) -> list[State]:
    """The test: held-out puzzles from reasoning-gym's own generator, different ones."""
    return _held_out_puzzles(kind, count, TEST_SEED, frozenset())


def validation_puzzles(kind: Kind, count: int = 300) -> list[State]:
    """Held-out puzzles like those of the test, none of which is one of the test's: what settings are chosen on."""
    return _held_out_puzzles(kind, count, TEST_SEED + 1_000_000, frozenset(unseen_puzzles(kind)))


def _held_out_puzzles(kind: Kind, count: int, seed: int, but: frozenset[State]) -> list[State]:
    reasoning_gym = require("reasoning_gym", "tasks", "Countdown's test puzzles")
    low, high = kind.targets
    found = dict[State, None]()
    while len(found) < count:
        made = reasoning_gym.create_dataset(
            "countdown", seed=seed, size=500, min_numbers=kind.numbers, max_numbers=kind.numbers, min_value=1,
            max_value=kind.most, min_target=low, max_target=high, operators=("+", "-", "*"),
        )  # fmt: skip
        for entry in made:
            puzzle = state(entry["metadata"]["target"], entry["metadata"]["numbers"])
            if is_test(puzzle) and puzzle not in but and len(found) < count:
                found[puzzle] = None
        seed += 500
    return list(found)
