"""Nested Monte-Carlo labels: the chance that the policy solves a state, estimated from its next states' chances first.

From a state, steps are drawn without replacement and equal next states are merged; each is estimated in the same way,
and the state's chance is their mean, weighted by the policy's own probability of the steps drawn. At the last step the
chance is exact: the policy's probability of the moves that hit the target. `best` is what a search may hope for, that
chooses the best of the next states.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reflectree.models.neural.countdown.game import Move, State, after, moves
from reflectree.models.neural.countdown.net import spell, spell_move
from reflectree.models.neural.countdown.sampling import log_probs
from reflectree.training.countdown.data import check, held_out
from reflectree.training.countdown.player import Player, Taken

DRAWN = {5: 6, 4: 8, 3: 8}
"""Steps drawn at a state, by how many numbers it has."""
KEPT = {5: 3, 4: 4, 3: 8}
"""How many of its next states are looked into."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A step of a state: the policy's probability of it, and the chance from where it leads."""

    move: Move
    chance: float
    worth: float


@dataclass(frozen=True, slots=True)
class Label:
    """A state's estimated chances: that the policy solves it, and that a search does that takes the best next state."""

    at: State
    mean: float
    best: float
    looked: tuple[Looked, ...] = field(default=(), repr=False)

    def target(self, share: float) -> float:
        """What a value model is taught: the mean (share 0), the best (share 1), or between."""
        return (1 - share) * self.mean + share * self.best

    def to_row(self) -> list[Any]:
        """For a file of JSON lines."""
        steps = [[one.move.operation, one.move.left, one.move.right, one.chance, one.worth] for one in self.looked]
        return [self.at.target, list(self.at.numbers), self.mean, self.best, steps]

    @staticmethod
    def from_row(row: Sequence[Any]) -> Label:
        """Back from `to_row`."""
        target, numbers, mean, best, steps = row
        looked = tuple(Looked(Move(*one[:3]), *one[3:]) for one in steps)
        return Label(State(target, tuple(numbers)), mean, best, looked)


def label(player: Player, puzzles: Sequence[State]) -> list[Label]:
    """Labels of the puzzles and of states below them, each state once. Solutions are checked by the game's rules.

    Raises:
        BadInput: A puzzle is a test puzzle.
    """
    check(list(puzzles))
    found: dict[State, Label] = {}
    for size in sorted({len(puzzle.numbers) for puzzle in puzzles}):
        _level(player, sorted({puzzle for puzzle in puzzles if len(puzzle.numbers) == size} - found.keys()), found)
    return list(found.values())


def last_labels(player: Player, solutions: Iterable[Sequence[tuple[State, Move]]]) -> list[Label]:
    """Labels of the last states of generated solutions: of those below sampled steps only one in 25 can be solved."""
    found: dict[State, Label] = {}
    _last(player, sorted({solution[-1][0] for solution in solutions}), found)
    return list(found.values())


def _level(player: Player, states: list[State], found: dict[State, Label]) -> None:
    """Estimate states of one size, their next ones first."""
    if not states:
        return
    size = len(states[0].numbers)
    if size == 2:
        _last(player, states, found)
        return
    rows = player.steps(states, [DRAWN[size]] * len(states), distinct=True)
    kept = [_kept(row, KEPT[size]) for row in rows]
    _level(player, sorted({step.after for row in kept for step in row if step.after} - found.keys()), found)
    for at, row, looked in zip(states, rows, kept, strict=True):
        steps = [
            Looked(step.move, math.exp(step.log_prob), found[step.after].mean)
            for step in looked
            if step.move is not None and step.after is not None
        ]
        missed = sum(math.exp(step.log_prob) for step in row if step.after is None)
        total = missed + sum(step.chance for step in steps)
        mean = sum(step.chance * step.worth for step in steps) / total if total else 0.0
        best = max((found[step.after].best for step in looked if step.after is not None), default=0.0)
        found[at] = Label(at, min(1.0, mean), min(1.0, best), tuple(steps))


def _kept(row: Sequence[Taken], most: int) -> list[Taken]:
    """The first moves drawn, with no test puzzle behind them."""
    return [step for step in row if step.after is not None and not held_out(step.after)][:most]


def _last(player: Player, states: list[State], found: dict[State, Label]) -> None:
    """States of two numbers: the policy's probability of the moves that hit."""
    hits = [[move for move in moves(at) if (then := after(at, move)) is not None and then.solved] for at in states]
    asked = [place for place, row in enumerate(hits) if row]
    texts = [[spell_move(move) for move in hits[place]] for place in asked]
    chances = log_probs(player.policy, [spell(states[place]) for place in asked], texts)
    known = dict(zip(asked, chances, strict=True))
    for place, at in enumerate(states):
        steps = tuple(
            Looked(move, math.exp(chance), 1.0) for move, chance in zip(hits[place], known.get(place, ()), strict=True)
        )
        value = min(1.0, sum(step.chance for step in steps))
        found[at] = Label(at, value, value, steps)
