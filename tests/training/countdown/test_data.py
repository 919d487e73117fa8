from random import Random

import pytest

from reflectree.models.neural.countdown.game import after, is_test, solvable
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.countdown.data import (
    FIVE,
    FOUR,
    KINDS,
    Kind,
    check,
    generate,
    held_out,
    pairs,
    training_puzzles,
    training_solutions,
)


@pytest.mark.parametrize("kind", [FOUR, FIVE])
def test_generated_solutions_solve_their_puzzles(kind: Kind) -> None:
    random, low, high = Random(1), *kind.targets
    for _ in range(200):
        puzzle, moves = generate(kind, random)
        assert low <= puzzle.target <= high
        assert len(puzzle.numbers) == kind.numbers
        last, move = pairs(puzzle, moves)[-1]
        then = after(last, move)
        assert then is not None
        assert then.solved
        assert solvable(puzzle)


def test_no_state_of_a_training_solution_is_a_test_puzzle() -> None:
    solutions = training_solutions([FOUR, FIVE], seed=3)
    states = [at for _ in range(500) for at, _ in next(solutions)]
    assert any(len(at.numbers) == 5 for at in states)
    assert any(len(at.numbers) == 2 for at in states)
    assert not any(is_test(at) for at in states if len(at.numbers) >= 4)
    check(states)


def test_check_refuses_a_test_puzzle() -> None:
    random = Random(5)
    puzzle = next(p for p in (generate(FOUR, random)[0] for _ in range(1000)) if held_out(p))
    with pytest.raises(BadInput, match="test puzzle"):
        check([puzzle])


def test_training_puzzles_are_different_and_come_again_with_the_seed() -> None:
    found = training_puzzles(KINDS[4], 50, "a")
    assert len(set(found)) == 50
    assert not any(map(is_test, found))
    assert training_puzzles(KINDS[4], 50, "a") == found != training_puzzles(KINDS[4], 50, "b")
