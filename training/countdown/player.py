"""Policy and value model at many puzzles in lock-step: what labels, reinforcement learning and figures are made with.

It draws, reads what was drawn, and keeps the bill. It decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import torch
from torch import nn

from reflectree.models.neural.countdown.draws import Bill, Drawn
from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.game import Move, State
from reflectree.models.neural.countdown.net import read_move, spell
from reflectree.models.neural.countdown.sampling import draw, scores


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was drawn, and where it leads; `after` is `None` where it is no move of the game."""

    text: str
    log_prob: float
    tokens: int
    move: Move | None
    after: State | None


@dataclass(slots=True)
class Player:
    """A policy, and a value model where there is one.

    Attributes:
        policy: The policy's network.
        value: The value model's network and head; `random` gives each state a number that says nothing.
        seed: Of its draws.
        bill: What the policy wrote and computed.
        encodings: States the value model read.
    """

    policy: Network
    value: tuple[Network, nn.Module] | Literal["random"] | None = None
    seed: int = 0
    bill: Bill = field(default_factory=Bill)
    encodings: int = 0
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def steps(
        self,
        states: Sequence[State],
        counts: Sequence[int],
        *,
        distinct: bool = False,
        temperature: float = 1.0,
        known: Sequence[Mapping[str, float]] | None = None,
    ) -> list[list[Taken]]:
        """Steps of states, as `sampling.draw` draws them."""
        drawn = draw(
            self.policy,
            [spell(at) for at in states],
            counts,
            distinct=distinct,
            generator=self.generator,
            temperature=temperature,
            bill=self.bill,
            known=known,
        )
        return [[_taken(step, at) for step in row] for at, row in zip(states, drawn, strict=True)]

    def values(self, states: Sequence[State]) -> list[float]:
        """The value of each state, in (0, 1). A state with one number is never read: that would be a check."""
        assert self.value is not None, "this player has no value model"
        assert all(len(at.numbers) > 1 for at in states), "a finished state was to be valued"
        self.encodings += len(states)
        if self.value == "random":
            return [_blind(at, self.seed) for at in states]
        return [1 / (1 + math.exp(-logit)) for logit in scores(*self.value, [spell(at) for at in states])]


def _blind(at: State, seed: int) -> float:
    """A number in (0, 1) that is always the same of a state, and says nothing of it."""
    return Random(f"{at} {seed}").random()


def _taken(step: Drawn, at: State) -> Taken:
    found = read_move(step.text, at) if step.finished else None
    return Taken(step.text, step.log_prob, step.tokens, *(found or (None, None)))
