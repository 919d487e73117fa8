from collections.abc import Callable, Mapping, Sequence
from math import log

import numpy as np
import pytest
import torch

from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.game import State, after, is_test, moves, solvable, state
from reflectree.models.neural.countdown.net import new_policy, spell_move
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.countdown.arms import Samples
from reflectree.training.countdown.data import held_out
from reflectree.training.countdown.figures import difference
from reflectree.training.countdown.labels import Label, label
from reflectree.training.countdown.path_sampling import sampled
from reflectree.training.countdown.player import Player, Taken
from reflectree.training.countdown.searches import Board, Outcome, Search, beam, mcts, run
from reflectree.training.countdown.solutions import solutions

PUZZLE = state(24, [3, 5, 8, 12])


class Perfect(Player):
    """Plays every move alike and knows which states of two numbers can be solved: what a search must make of it."""

    drawn: int = 0

    def steps(
        self,
        states: Sequence[State],
        counts: Sequence[int],
        *,
        distinct: bool = False,
        temperature: float = 1.0,
        known: Sequence[Mapping[str, float]] | None = None,
    ) -> list[list[Taken]]:
        found = []
        for place, (at, count) in enumerate(zip(states, counts, strict=True)):
            legal = moves(at)
            left = [move for move in legal if not known or spell_move(move) not in known[place]]
            if temperature == 0.0:
                left = sorted(left, key=lambda move: move.result != at.target)
            else:
                order = torch.randperm(len(left), generator=self.generator).tolist()
                left = [left[i] for i in order]
            chosen = left[:count]
            chance = log(1 / len(legal))
            found.append([Taken(t, chance, len(t) + 1, m, after(at, m)) for m in chosen for t in [spell_move(m)]])
        return found

    def values(self, states: Sequence[State]) -> list[float]:
        self.encodings += len(states)
        return [0.95 if solvable(at) else 0.02 for at in states]


@pytest.fixture
def player() -> Perfect:
    return Perfect(None, ("given", None), seed=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda puzzle: beam(puzzle, [8, 6], [4, 99]),
        lambda puzzle: mcts(puzzle, 300, root=6, width=4),
        lambda puzzle: sampled(puzzle, 300, power=2.0),
        lambda puzzle: sampled(puzzle, 300, power=2.0, check=True),
    ],
    ids=["beam", "mcts", "path sampling", "checked"],
)
def test_with_a_perfect_value_each_search_solves_and_keeps_its_bill(
    player: Perfect, make: Callable[[State], Search]
) -> None:
    puzzles = [state(20, [2, 4, 6, 8]), state(30, [1, 5, 6, 12]), state(24, [2, 3, 4, 6])]
    outcomes = run(player, [make(puzzle) for puzzle in puzzles])
    assert [one.solved for one in outcomes] == [True] * 3
    assert all(0 < one.tokens <= 330 for one in outcomes)
    assert sum(one.encodings for one in outcomes) == player.encodings


def test_a_state_is_valued_once_and_one_number_never(player: Perfect) -> None:
    board = Board(PUZZLE)
    grow = board.grow(PUZZLE, 18)
    outcomes: list[Outcome] = []

    def search() -> Search:
        yield from grow
        for at in [at for at in board.nodes if len(at.numbers) == 3]:
            yield from board.grow(at, 9)
        outcomes.append(board.outcome)
        return board.outcome

    run(player, [search()])
    assert player.encodings == len(board.nodes) - 1
    assert min(len(at.numbers) for at in board.nodes) == 2
    with pytest.raises(AssertionError, match="finished"):
        Player(None, "random").values([state(24, [24])])  # type: ignore[arg-type]


def test_path_sampling_ends_when_all_was_seen(player: Perfect) -> None:
    (outcome,) = run(player, [sampled(state(49, [1, 1, 1, 2]), 100_000, check=True, least=0.0)])
    assert not outcome.solved
    assert 0 < outcome.tokens < 5000


def test_search_that_may_end_early_is_cheaper(player: Perfect) -> None:
    (whole,) = run(player, [sampled(PUZZLE, 300, power=2.0)])
    (early,) = run(player, [sampled(PUZZLE, 300, power=2.0, sure=0.9)])
    assert early.solved
    assert early.tokens < whole.tokens


def test_solutions_and_votes_with_an_untrained_policy() -> None:
    torch.manual_seed(0)
    network = Network(new_policy(32, 1, 2).eval())
    player = Player(network, "random", seed=1)
    samples = Samples.drawn(player, [PUZZLE] * 2, 3)
    assert [len(row) for row in samples.rows] == [3, 3]
    for outcomes in (samples.vote(), samples.best(samples.last), samples.best(samples.way, 2), samples.checked()):
        assert len(outcomes) == 2
        assert all(one.tokens > 0 for one in outcomes)
    assert solutions(player, [PUZZLE], 2, distinct=True)[0][0].states[0] == PUZZLE


def test_labels_are_chances_and_refuse_test_puzzles(player: Perfect, monkeypatch: pytest.MonkeyPatch) -> None:
    def even(policy: Network, states: Sequence[str], steps: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[-1.0986122886681098] * len(row) for row in steps]  # each of three moves alike

    monkeypatch.setattr("reflectree.training.countdown.labels.log_probs", even)
    puzzle = next(p for p in (state(20, [2, 4, 6, n]) for n in range(1, 13)) if not is_test(p))
    labels = label(player, [puzzle])
    assert {len(one.at.numbers) for one in labels} == {2, 3, 4}
    assert all(0 <= one.mean <= one.best <= 1 for one in labels)
    last = [one for one in labels if len(one.at.numbers) == 2]
    assert {round(one.mean, 3) for one in last} <= {0.0, 0.333, 0.667, 1.0}
    for one in labels:
        assert Label.from_row(one.to_row()) == one
    with pytest.raises(BadInput, match="test puzzle"):
        label(player, [next(p for p in (state(t, [3, 5, 8, 12]) for t in range(10, 50)) if held_out(p))])


def test_difference_is_paired_by_puzzle() -> None:
    a, b = np.ones((50, 3)), np.zeros((50, 3))
    assert difference(a, b) == (1.0, 1.0, 1.0)
    assert difference(a, a) == (0.0, 0.0, 0.0)
