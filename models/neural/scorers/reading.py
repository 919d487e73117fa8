"""Scorers that read a score off the hidden state at each read: what differs is the function from state to score.

It knows no head: that is the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from reflectree.models.neural.forward import Trunk
from reflectree.models.neural.prefix import Runner, Span
from reflectree.models.neural.scorers.base import Loaded, Numbers, TorchScorer
from reflectree.models.scoring.items import Encoded

ScoreOf = Callable[[torch.Tensor], torch.Tensor]
"""Scores in [0, 1] of hidden states: (rows, width) -> (rows)."""


class StateScorer(TorchScorer):
    """Reads scores off hidden states.

    Args:
        loaded: What it is made of.
        trunk: Gives the hidden states.
        heads: What is not in the trunk: its parameters are counted.
        score_of: The score of a state.
    """

    def __init__(self, loaded: Loaded, trunk: Any, heads: Sequence[Any], score_of: ScoreOf) -> None:
        self.trunk = Trunk(trunk)
        super().__init__(loaded, [trunk, *heads], self.trunk.causal)
        self.runner: Runner = Runner(self.trunk, reading(score_of), loaded.prefix_tokens)

    def numbers(self, batch: Sequence[Encoded]) -> list[Numbers]:
        """The scores at the reads."""
        return [
            Numbers(tuple(run.numbers[read] for read in encoded.reads), run.computed)
            for encoded, run in zip(batch, self.runner.run(batch), strict=True)
        ]

    def release(self) -> None:
        """Drop the model, and the keys and values of known prefixes."""
        self.runner.clear()
        del self.runner, self.trunk


def finite(raw: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """The scores of finite raw values, and NaN of others: a logistic would make a sound-looking 0 or 1 of them."""
    return torch.where(torch.isfinite(raw), scores, torch.nan)


def reading(score_of: ScoreOf) -> Callable[[Sequence[Span]], list[list[float]]]:
    """Read scores at the reads of all spans in one go."""

    def read(spans: Sequence[Span]) -> list[list[float]]:
        states = torch.cat([span.hidden[list(span.reads)] for span in spans])
        scores = iter(score_of(states).float().tolist())
        return [[next(scores) for _ in span.reads] for span in spans]

    return read
