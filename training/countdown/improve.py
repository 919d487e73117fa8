"""Reinforcement learning by expert iteration: the policy learns the steps that lead to verified solutions.

Plain expert iteration draws solutions, keeps those that are right and trains on them; the steps of a state are then
learnt in proportion to (the policy's probability of the step) x (the chance of success behind it). Here that proportion
is taught directly, without the noise of drawing: nested labels know both factors of the states they looked into; of
fresh puzzles the steps are drawn without replacement and a value model, trained on such labels, is the critic; an
answer is judged by the rules of the game. `power` above 1 is what so many rounds of plain expert iteration come to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import torch

from reflectree.models.neural.countdown.game import Move, State
from reflectree.training.countdown.data import Kind, check, generate, held_out
from reflectree.training.countdown.fitting import Report, Schedule, Taught, fit_policy
from reflectree.training.countdown.labels import Label
from reflectree.training.countdown.player import Player

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

DRAWN = 8
"""Steps drawn at a state of a fresh puzzle."""
LEARNT = 3
"""Steps of it that are learnt."""
SMALL = 3
"""Up to so many numbers states are taken from the labels; larger ones are looked into with the critic."""


@dataclass(frozen=True, slots=True)
class Improved:
    """A state, and its steps with what they should be chosen by."""

    at: State
    moves: tuple[Move, ...]
    weights: tuple[float, ...]

    def taught(self, random: Random) -> Taught:
        """One step of it, drawn by weight."""
        return Taught(self.at, random.choices(self.moves, self.weights)[0])


def from_labels(labels: Sequence[Label], power: float) -> list[Improved]:
    """What nested labels teach, of states from which the policy got somewhere."""
    found = []
    for one in labels:
        weights = tuple(step.chance * step.worth**power for step in one.looked)
        if sum(weights) > 0 and len(one.at.numbers) <= SMALL:
            found.append(Improved(one.at, tuple(step.move for step in one.looked), weights))
    return found


def from_critic(player: Player, kinds: Sequence[Kind], count: int, power: float, seed: str) -> list[Improved]:
    """What the critic teaches of fresh training puzzles, and of the states that its choices lead to."""
    assert player.value is not None
    random = Random(seed)
    level: list[State] = []
    while len(level) < count:
        puzzle, _ = generate(random.choice(kinds), random)
        if not held_out(puzzle):
            level.append(puzzle)
    found: list[Improved] = []
    while level := sorted({at for at in level if len(at.numbers) > SMALL}):
        check(level)
        rows = player.steps(level, [DRAWN] * len(level), distinct=True)
        reached = sorted({step.after for row in rows for step in row if step.after is not None})
        worth = dict(zip(reached, player.values(reached), strict=True))
        following: list[State] = []
        for at, row in zip(level, rows, strict=True):
            steps = [(step.move, step.after, math.exp(step.log_prob)) for step in row]
            kept = [(move, then, p * worth[then] ** power) for move, then, p in steps if move and then]
            if kept:
                moves, states, weights = zip(*kept, strict=True)
                found.append(Improved(at, moves, weights))
                following += [then for then in random.choices(states, weights) if not held_out(then)]
        level = following
    return found


def improved_batches(states: Sequence[Improved], size: int, seed: int) -> Iterator[list[Taught]]:
    """Endless batches of steps; each pass over the states takes them in another order."""
    random, held = Random(f"improve {seed}"), list[Improved]()
    while True:
        while len(held) < size:
            held += random.sample(states, len(states))
        yield [state.taught(random) for state in held[-size:]]
        del held[-size:]


def improve(
    policy: LlamaForCausalLM, states: Sequence[Improved], schedule: Schedule, *, seed: int, report: Report
) -> None:
    """One round, in place."""
    torch.manual_seed(seed)
    fit_policy(policy, improved_batches(states, schedule.batch, seed), schedule, report)
