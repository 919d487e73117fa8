"""The arms of the figures: ways to come to one answer, or to a checked one, each with its bill by puzzle.

Without a check exactly one answer is given, and no value model ever reads a finished puzzle. With a check each answer
may be tried, and all arms stop at the first that is right: what counts is how many tokens were written until then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reflectree.models.neural.countdown.game import State
from reflectree.training.countdown.player import Player
from reflectree.training.countdown.searches import Outcome, Search, run
from reflectree.training.countdown.solutions import Solution, solutions

Weight = Callable[[Solution], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One arm: an outcome a puzzle, and what the policy computed for all of them."""

    outcomes: list[Outcome]
    computed: float = 0.0
    read: float = 0.0


@dataclass(slots=True)
class Samples:
    """Whole solutions of puzzles, drawn once and judged in several ways."""

    player: Player
    rows: list[list[Solution]]
    values: dict[State, float] = field(default_factory=dict)
    computed: float = 0.0
    read: float = 0.0

    @staticmethod
    def drawn(
        player: Player, puzzles: Sequence[State], n: int, *, temperature: float = 1.0, distinct: bool = False
    ) -> Samples:
        """Draw them, and value their states."""
        computed, read = player.bill.computed, player.bill.read
        rows = solutions(player, puzzles, n, temperature=temperature, distinct=distinct)
        found = Samples(player, rows)
        found.computed = (player.bill.computed - computed) / len(puzzles)
        found.read = (player.bill.read - read) / len(puzzles)
        if player.value is not None:
            states = sorted({at for row in rows for solution in row for at in _valued(solution)})
            found.values = dict(zip(states, player.values(states), strict=True))
        return found

    def first(self, n: int) -> Samples:
        """The first `n` of each puzzle."""
        return Samples(self.player, [row[:n] for row in self.rows], self.values, self.computed, self.read)

    def last(self, solution: Solution) -> float:
        """The value of a solution's state of two numbers."""
        return 0.0 if solution.choice is None else self.values[solution.choice]

    def way(self, solution: Solution) -> float:
        """The product of the values of its last two states."""
        found = 1.0
        for at in _valued(solution)[-2:]:
            found *= self.values[at]
        return found if solution.choice is not None else 0.0

    def best(self, weight: Weight, states: int = 1) -> list[Outcome]:
        """Best-of-N: the solution of the highest weight; `states` says how many of its states were valued."""
        return [_outcome(max(row, key=weight), row, states) for row in self.rows]

    def vote(self, weight: Weight = lambda solution: 1.0, states: int = 0) -> list[Outcome]:
        """The state of two numbers that most solutions go through, weighted; the first solution through it answers."""
        found = []
        for row in self.rows:
            tally: dict[State, list[Solution]] = {}
            for solution in row:
                if solution.choice is not None:
                    tally.setdefault(solution.choice, []).append(solution)
            winners = max(tally.values(), key=lambda group: sum(map(weight, group)), default=row)
            found.append(_outcome(winners[0], row, states))
        return found

    def single(self) -> list[Outcome]:
        """Pass@1: each solution as if it were the only one; the rate is that of all."""
        return [Outcome(solution.solved, solution.tokens) for row in self.rows for solution in row]

    def checked(self) -> list[Outcome]:
        """One solution after the other until one is right: `tokens` until then."""
        found = []
        for row in self.rows:
            tokens = 0
            for solution in row:
                tokens += solution.tokens
                if solution.solved:
                    break
            found.append(Outcome(row[-1].solved or any(s.solved for s in row), tokens))
        return found


def _valued(solution: Solution) -> list[State]:
    return [at for at in solution.states[1:] if len(at.numbers) > 1]


def _outcome(chosen: Solution, row: Sequence[Solution], states: int) -> Outcome:
    """One committed answer; encodings are the different states valued."""
    valued = {at for solution in row for at in _valued(solution)[-states:]} if states else set()
    tokens = sum(solution.tokens for solution in row)
    return Outcome(chosen.solved, tokens, len(valued), any(solution.solved for solution in row))


def searched(player: Player, puzzles: Sequence[State], make: Callable[[State], Search]) -> Row:
    """A search at each puzzle, in lock-step."""
    computed, read = player.bill.computed, player.bill.read
    outcomes = run(player, [make(puzzle) for puzzle in puzzles])
    return Row(outcomes, (player.bill.computed - computed) / len(puzzles), (player.bill.read - read) / len(puzzles))
