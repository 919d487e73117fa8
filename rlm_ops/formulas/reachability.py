"""Transitive closure of a growing directed graph, in rows of 64-bit words: who reaches whom by a chain of edges.

Adding an edge costs O(n^2 / 64), a closure from scratch O(n^3 / 64). Nothing here knows what an edge means.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from reflectree.rlm_ops.errors import BadInput

_WORD = 64


class Reachability:
    """A transitive closure to which nodes and edges are added.

    A node reaches itself where a cycle leads back to it.
    """

    def __init__(self, n: int = 0) -> None:
        """`n` nodes without edges."""
        self.n = 0
        self._rows: npt.NDArray[np.uint64] = np.zeros((0, 0), dtype=np.uint64)
        self._reserve(max(1, n))
        self.n = n

    @classmethod
    def of(cls, edges: npt.ArrayLike) -> Self:
        """The closure of a square boolean matrix (Floyd-Warshall, a row at a time).

        Raises:
            BadInput: The matrix is not square.
        """
        matrix = np.asarray(edges, dtype=np.bool_)
        if matrix.size == 0:
            return cls()
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise BadInput(f"a closure needs a square matrix, got one of shape {matrix.shape}")
        made = cls(len(matrix))
        packed = np.packbits(matrix, axis=1, bitorder="little")
        made._bytes()[: made.n, : packed.shape[1]] = packed
        for middle in range(made.n):
            through = np.flatnonzero(made._reaching(middle))
            made._rows[through] |= made._rows[middle]
        return made

    def add_node(self) -> int:
        """One more node, without edges; its id."""
        self._reserve(self.n + 1)
        self.n += 1
        return self.n - 1

    def add_edge(self, source: int, target: int) -> bool:
        """Close over one more edge; whether it changed anything.

        Raises:
            BadInput: There is no such node.
        """
        if not (0 <= source < self.n and 0 <= target < self.n):
            raise BadInput(f"no edge {source} -> {target} among {self.n} nodes: add the nodes first")
        if self.reaches(source, target):
            return False
        gained = self._rows[target].copy()
        gained[target // _WORD] |= np.uint64(1 << target % _WORD)
        before = self._reaching(source)
        before[source] = True
        self._rows[np.flatnonzero(before)] |= gained
        return True

    def reaches(self, source: int, target: int) -> bool:
        """Whether a chain of edges leads from source to target."""
        return bool(int(self._rows[source, target // _WORD]) >> target % _WORD & 1)

    def matrix(self) -> npt.NDArray[np.bool_]:
        """The closure as booleans, row reaches column."""
        bits = np.unpackbits(self._bytes()[: self.n], axis=1, bitorder="little")
        return bits[:, : self.n].astype(np.bool_)

    def counts(self) -> npt.NDArray[np.int64]:
        """For each node how many *others* it reaches."""
        matrix = self.matrix()
        np.fill_diagonal(matrix, False)
        return np.asarray(matrix.sum(axis=1), dtype=np.int64)

    def _bytes(self) -> npt.NDArray[np.uint8]:
        """The rows as bytes, least significant bit first, whatever the machine: a view."""
        return self._rows.view(np.uint8).reshape(self._rows.shape[0], -1)

    def _reaching(self, target: int) -> npt.NDArray[np.bool_]:
        """For each node whether it reaches the target."""
        column = self._rows[: self.n, target // _WORD]
        return (column >> np.uint64(target % _WORD) & np.uint64(1)).astype(np.bool_)

    def _reserve(self, n: int) -> None:
        """Room for n nodes, doubled when it runs out."""
        if n <= len(self._rows):
            return
        capacity = -(-max(n, 2 * len(self._rows)) // _WORD) * _WORD
        rows = np.zeros((capacity, capacity // _WORD), dtype="<u8")
        rows[: self._rows.shape[0], : self._rows.shape[1]] = self._rows
        self._rows = rows
