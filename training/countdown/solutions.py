"""Whole solutions, one step after the other, of many puzzles in lock-step: what best-of-N and votes are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reflectree.models.neural.countdown.game import State
from reflectree.training.countdown.player import Player


@dataclass(slots=True)
class Solution:
    """One whole solution as the policy wrote it."""

    states: list[State]
    solved: bool = False
    tokens: int = 0
    last: int = 0

    @property
    def choice(self) -> State | None:
        """Its state of two numbers, where it came so far."""
        return self.states[-1] if len(self.states[-1].numbers) == 2 else None


def solutions(
    player: Player, puzzles: Sequence[State], n: int, *, temperature: float = 1.0, distinct: bool = False
) -> list[list[Solution]]:
    """`n` whole solutions of each puzzle; with `distinct`, those that share a state take different steps there."""
    rows = [[Solution([puzzle]) for _ in range(n)] for puzzle in puzzles]
    alive = [solution for row in rows for solution in row]
    owner = {id(solution): place for place, row in enumerate(rows) for solution in row}
    while alive:
        groups: dict[tuple[int, State], list[Solution]] = {}
        for solution in alive:
            groups.setdefault((owner[id(solution)], solution.states[-1]), []).append(solution)
        drawn = player.steps(
            [at for _, at in groups], [len(g) for g in groups.values()], distinct=distinct, temperature=temperature
        )
        alive = []
        for group, steps in zip(groups.values(), drawn, strict=True):
            for place, solution in enumerate(group):
                step = steps[place % len(steps)]
                solution.tokens += step.tokens
                solution.last = step.tokens
                if step.after is None:
                    solution.states.append(State(-1, ()))
                elif len(step.after.numbers) == 1:
                    solution.solved = step.after.solved
                else:
                    solution.states.append(step.after)
                    alive.append(solution)
    return rows
