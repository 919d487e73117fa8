"""Prioritised replay: samples that taught much are drawn more often, and weighted back (Schaul et al., 1511.05952).

Proportional priorities: `P(i) = p_i^alpha / sum_k p_k^alpha` with `p_i = |error_i| + epsilon`, and importance weights
`w_i = (N P(i))^-beta / max_j w_j`, where beta anneals from its first value to 1 over training. The defaults are those
of LLaMA-O1 (alpha .6, beta .4 to 1). A sample that has not been drawn has the largest priority so far, so that each is
seen at least once in expectation. It knows samples by their digests only.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reflectree.rlm_ops.errors import BadInput

ALPHA, BETA, EPSILON = 0.6, 0.4, 1e-6


def beta_at(step: int, steps: int, first: float = BETA) -> float:
    """Beta at a step of training: linear from `first` at step 0 to 1 at the last one."""
    share = 1.0 if steps <= 1 else min(1.0, max(0.0, step / (steps - 1)))
    return first + (1.0 - first) * share


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draw.

    Attributes:
        places: Positions of the samples drawn, repetitions possible, shape `[n]`.
        weights: Their importance weights in (0, 1], shape `[n]`.
    """

    places: NDArray[np.int64]
    weights: NDArray[np.float64]


class Priorities:
    """The priorities of samples in a fixed order.

    Args:
        digests: The samples, in the order that `places` count.
        alpha: How much priorities matter; 0 draws evenly.
        seed: Seed of all draws.
    """

    def __init__(self, digests: Iterable[str], *, alpha: float = ALPHA, seed: int = 0) -> None:
        if not alpha >= 0:
            raise BadInput(f"alpha={alpha}: give a number of at least 0")
        self.digests = list(digests)
        self.alpha = alpha
        self._place = {digest: place for place, digest in enumerate(self.digests)}
        self._priority = np.ones(len(self.digests), dtype=np.float64)
        self._drawn = np.zeros(len(self.digests), dtype=bool)
        self._random = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each sample, shape `[len(self)]`."""
        powered = self._priority**self.alpha
        return np.asarray(powered / powered.sum(), dtype=np.float64)

    def draw(self, count: int, *, beta: float = 1.0) -> Drawn:
        """Draw with replacement, one from each of `count` equal parts of the probability mass, as Schaul et al. do.

        Raises:
            BadInput: There is nothing to draw from, or beta is outside [0, 1].
        """
        if not self.digests or count < 1:
            raise BadInput(f"cannot draw {count} of {len(self)} samples: generate data first")
        if not 0.0 <= beta <= 1.0:
            raise BadInput(f"beta={beta}: give a number in [0, 1]")
        chances = self.probabilities
        edges = (np.arange(count) + self._random.random(count)) / count
        places = np.minimum(np.searchsorted(np.cumsum(chances), edges, side="right"), len(self) - 1)
        weights = (len(self) * chances) ** -beta
        return Drawn(places.astype(np.int64), np.asarray(weights[places] / weights.max(), dtype=np.float64))

    def update(self, places: Sequence[int] | NDArray[np.int64], errors: Sequence[float] | NDArray[np.float64]) -> None:
        """Set the priorities of samples from what the last step had to learn from them; of one drawn twice the last.

        Raises:
            BadInput: An error is no number.
        """
        sizes = np.abs(np.asarray(errors, dtype=np.float64)) + EPSILON
        if not np.isfinite(sizes).all():
            raise BadInput("a priority is a finite number: the loss of a sample was nan or infinite")
        where = np.asarray(places, dtype=np.int64)
        self._priority[where] = sizes
        self._drawn[where] = True
        unseen = ~self._drawn
        if unseen.any():
            self._priority[unseen] = self._priority[self._drawn].max()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the priorities of what was drawn, atomically, so that training can go on."""
        target = Path(path)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        seen = self._drawn
        with os.fdopen(handle, "wb") as file:
            np.savez(file, digests=np.asarray(self.digests, dtype="U32")[seen], priorities=self._priority[seen])
        os.replace(name, target)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Take over saved priorities; samples that have come since count as not drawn.

        Raises:
            BadInput: The file cannot be read.
        """
        try:
            with np.load(path, allow_pickle=False) as saved:
                pairs = list(zip(saved["digests"].tolist(), saved["priorities"].tolist(), strict=True))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise BadInput(f"cannot read the priorities in {os.fspath(path)}: remove the file to begin anew") from error
        known = [(self._place[digest], size - EPSILON) for digest, size in pairs if digest in self._place]
        if known:
            self.update([place for place, _ in known], [size for _, size in known])
