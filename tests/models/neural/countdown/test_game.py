from random import Random

from reflectree.models.neural.countdown.game import Move, State, after, is_test, moves, solvable, state


def test_moves_are_different_and_lead_to_states_with_one_number_less() -> None:
    at = state(24, [8, 3, 8, 12])
    found = moves(at)
    assert len(found) == len(set(found)) == 3 * 4  # pairs 3-8, 8-8, 3-12, 8-12, each under three operations
    for move in found:
        then = after(at, move)
        assert then is not None
        assert len(then.numbers) == 3
        assert then.target == 24
        assert move.result >= 0


def test_no_move_of_the_game_is_refused() -> None:
    at = state(24, [3, 8])
    assert after(at, Move("-", 3, 8)) is None  # the larger one stands first
    assert after(at, Move("/", 8, 3)) is None
    assert after(at, Move("+", 8, 8)) is None  # there is only one eight
    assert after(at, Move("*", 8, 3)) == State(24, (24,))


def test_solver_finds_what_is_there_and_nothing_else() -> None:
    assert solvable(state(24, [3, 5, 8, 12]))
    assert solvable(state(7, [7]))
    assert not solvable(state(50, [1, 1, 1, 1]))


def test_hash_holds_a_fifth_out_whatever_the_order_of_numbers() -> None:
    random = Random(0)
    puzzles = [state(random.randint(10, 50), [random.randint(1, 12) for _ in range(4)]) for _ in range(2000)]
    assert 0.17 < sum(map(is_test, puzzles)) / len(puzzles) < 0.23
    assert is_test(state(24, [3, 5, 8, 12])) == is_test(state(24, [12, 8, 5, 3]))
