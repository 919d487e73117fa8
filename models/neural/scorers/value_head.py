"""A value head: a regression at each step's end, as we train it (MSE to backed-up values)."""

from __future__ import annotations

from typing import Any

import torch

from reflectree.models.neural.heads import ValueHead, scaled
from reflectree.models.neural.scorers.base import Loaded
from reflectree.models.neural.scorers.reading import StateScorer, finite


class ValueHeadScorer(StateScorer):
    """The value of the state at each read.

    Args:
        loaded: What it is made of; its card says how raw values become numbers in [0, 1].
        trunk: The language model without its head.
        head: The value head.
    """

    kind = "value-head"

    def __init__(self, loaded: Loaded, trunk: Any, head: ValueHead) -> None:
        scale = loaded.card.scale

        def value(states: torch.Tensor) -> torch.Tensor:
            raw: torch.Tensor = head(states)
            return finite(raw, scaled(raw, scale))

        super().__init__(loaded, trunk, [head], value)
