"""Completions of prefixes as data: the words shared by planners, the driver and label functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reflectree.rlm_ops.step import Path

Rollouts: TypeAlias = Mapping[int, Sequence[float]]
"""For a node the outcomes, in [0, 1], of completions of its path; node 0 is the question alone."""
Wanted: TypeAlias = tuple[int, Path]
"""A node whose path wants completions, and that path."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One completion of a prefix.

    Attributes:
        steps: The steps it adds.
        answer: The answer it comes to.
        reward: What the verifier says of that answer, in [0, 1]; 0 where it comes to none.
        tokens: Its length in tokens; 0 where that is not known.
    """

    steps: tuple[str, ...]
    answer: str | None = None
    reward: float = 0.0
    tokens: int = 0

    @property
    def length(self) -> int:
        """Its length in tokens, or in words where tokens are not known."""
        return self.tokens or sum(len(step.split()) for step in self.steps)
