"""Standings of solutions from pairwise preferences, kept up to date one comparison at a time.

What `formulas.ebc` gives for all preferences at once, for a search that asks after each new one. All of it can be
derived again from a structure: it is kept in `structure.memo`, and rebuilt where that is gone. It does not know why
two solutions were compared.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import numpy.typing as npt

from reflectree.rlm_ops.formulas import Reachability, berry_backup
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

THRESHOLD = 0.5
"""From where on a preference is a win."""
NEUTRAL = 0.5
"""The place of a solution that nobody compared."""
_ONES = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)
"""Set bits by 16-bit word (numpy counts them by itself from version 2 on)."""


class _Closure(Reachability):
    """A closure whose rows of bits can be combined."""

    @property
    def bits(self) -> npt.NDArray[np.uint64]:
        """For each node whom it reaches, 64 nodes a word."""
        return self._rows[: self.n]


def _ones(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """How many bits are set in each row."""
    return np.asarray(_ONES[np.ascontiguousarray(bits).view(np.uint16)].sum(axis=1), dtype=np.int64)


class _Draws:
    """What decides between equals, which is needed only once there was a draw; it reads the comparisons when asked.

    Equals are those on a common ring of wins. A chain of strict preferences between two of them stays on the ring, so
    the closure of all strict preferences serves; and a ring without a draw is one of strict preferences all around,
    which decides nothing.
    """

    def __init__(self) -> None:
        self._read = 0
        self._beaten = _Closure()
        self._strict = _Closure()
        self._inferior = _Closure()

    def decided(self, wins: _Closure, sides: list[tuple[int, int, float]]) -> npt.NDArray[np.int64]:
        """How many of its equals each node is preferred to, by a chain of strict preferences that does not lead back.

        Args:
            wins: The closure of all wins.
            sides: Every comparison from either side: `(a, b, chance that a is better)`.
        """
        for mirror in (self._beaten, self._strict, self._inferior):
            while mirror.n < wins.n:
                mirror.add_node()
        for a, b, chance in sides[self._read :]:
            if chance >= THRESHOLD:
                self._beaten.add_edge(b, a)
            if chance > THRESHOLD and self._strict.add_edge(a, b):
                self._inferior.add_edge(b, a)
        self._read = len(sides)
        return _ones(wins.bits & self._beaten.bits & self._strict.bits & ~self._inferior.bits)


class Standings:
    """Who stands where."""

    def __init__(self) -> None:
        self.n = 0
        self._read = 0
        self._wins = _Closure()
        self._sides: list[tuple[int, int, float]] = []
        self._has_draws = False
        self._draws = _Draws()
        self._parents: list[int] = []
        self._numbers = np.zeros((4, 64))
        """A row each: comparisons, sum of preferences, the same among neighbours, comparisons with neighbours."""
        self._values: tuple[float, float, list[float]] | None = None

    def update(self, structure: ReasoningStructure) -> None:
        """Take in the nodes and preferences that came since the last time."""
        for node in range(self.n, len(structure)):
            self._wins.add_node()
            self._parents.append(structure.parents[node][0] if node else ROOT)
            self._values = None
        self.n = len(structure)
        if self.n > self._numbers.shape[1]:
            self._numbers = np.pad(self._numbers, ((0, 0), (0, self.n)))
        fresh = len(structure.preferences) - self._read
        for (a, b), chance in reversed(list(islice(reversed(structure.preferences.items()), fresh))):
            self._add(a, b, chance)
            self._add(b, a, 1.0 - chance)
            self._values = None
        self._read += fresh

    def _add(self, a: int, b: int, chance: float) -> None:
        """One side of a comparison."""
        near = self._parents[a] == b or self._parents[b] == a
        self._numbers[:, a] += (1.0, chance, chance * near, near)
        self._sides.append((a, b, chance))
        self._has_draws = self._has_draws or chance == THRESHOLD
        if chance >= THRESHOLD:
            self._wins.add_edge(a, b)

    def order(self) -> npt.NDArray[np.int64]:
        """The nodes that were compared, best first, as `formulas.ebc` has it."""
        compared, support = self._numbers[:2, : self.n]
        nodes = np.flatnonzero(compared)
        wins = self._wins.bits
        ids = np.arange(self.n)
        itself = wins[ids, ids // 64] >> (ids % 64).astype(np.uint64) & np.uint64(1)
        counts = _ones(wins) - itself.astype(np.int64)
        decided = self._draws.decided(self._wins, self._sides) if self._has_draws else np.zeros(self.n)
        keys = (nodes, -np.round(support[nodes], 12), -decided[nodes], -counts[nodes])
        return nodes[np.lexsort(keys)]

    def values(self, alpha: float, gamma: float) -> list[float]:
        """LLaMA-Berry's Q of each node as it stands now (arXiv 2410.02884).

        Its own value is `alpha` times its quantile in the order and for the rest the mean chance that it is better than
        its parent and its children; of that, a share `gamma` is replaced by the value of its best child. A node nobody
        compared is neutral.
        """
        if self._values is None or self._values[:2] != (alpha, gamma):
            self._values = (alpha, gamma, self._back_up(self._own(alpha), gamma))
        return self._values[2]

    def _own(self, alpha: float) -> list[float]:
        order = self.order()
        _, _, chances, neighbours = self._numbers[:, : self.n]
        places = np.full(self.n, NEUTRAL)
        places[order] = np.linspace(1.0, 0.0, len(order)) if len(order) > 1 else 1.0
        local = np.where(neighbours > 0, chances / np.maximum(neighbours, 1.0), NEUTRAL)
        own: list[float] = (alpha * places + (1.0 - alpha) * local).tolist()
        return own

    def _back_up(self, own: list[float], gamma: float) -> list[float]:
        """`formulas.berry_backup` from the leaves up: children are younger than their parents."""
        parents = self._parents
        best: list[float | None] = [None] * self.n
        for node in np.flatnonzero(self._numbers[0, : self.n]).tolist()[::-1]:
            child, parent = best[node], parents[node]
            value = own[node]
            if child is not None:
                value = own[node] = berry_backup(value, child, gamma)
            above = best[parent]
            if above is None or value > above:
                best[parent] = value
        return own
