"""An exact index in memory: one matrix, one product a query. It needs no package and is the oracle of the tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reflectree.memory.backends.index import Query, Row, Vector

SLACK = 1e-5
"""Rows this near to the k-th are returned too: the float32 product decides nothing that exact scores decide."""


class ExactIndex:
    """All rows in one float32 matrix of unit vectors that doubles when it is full."""

    scoped = True

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget every row."""
        self._matrix: Vector = np.zeros((0, 0), np.float32)
        self._ids = np.zeros(0, np.int64)
        self._codes = np.zeros(0, np.int64)
        self._paths: dict[str, int] = {}
        self._where: dict[int, int] = {}
        self._size = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Take rows in; one that is already there is left as it is."""
        rows = [row for row in rows if row.id not in self._where]
        if not rows:
            return
        self._grow(self._size + len(rows), len(rows[0].vector))
        for row in rows:
            place = self._size
            self._matrix[place] = row.vector / np.linalg.norm(row.vector)
            self._ids[place] = row.id
            self._codes[place] = self._paths.setdefault(row.path, len(self._paths))
            self._where[row.id] = place
            self._size += 1

    def drop(self, ids: Sequence[int]) -> None:
        """Forget rows: the last one moves into each gap."""
        for row in ids:
            place = self._where.pop(row, None)
            if place is None:
                continue
            self._size -= 1
            if place != self._size:
                for array in (self._matrix, self._ids, self._codes):
                    array[place] = array[self._size]
                self._where[int(self._ids[place])] = place

    def nearest(self, query: Query, k: int, prefix: str) -> list[int]:
        """The `k` nearest row ids below `prefix`, and those that tie with the last."""
        codes = self._codes[: self._size]
        ids, matrix = self._ids[: self._size], self._matrix[: self._size]
        if prefix:
            inside = np.flatnonzero(np.isin(codes, [n for path, n in self._paths.items() if path.startswith(prefix)]))
            ids, matrix = ids[inside], matrix[inside]
        if not len(ids):
            return []
        scores = matrix @ (query.vector / np.linalg.norm(query.vector))
        if k < len(ids):
            floor = np.partition(scores, len(ids) - k)[len(ids) - k]
            near = np.flatnonzero(scores >= floor - SLACK)
            ids, scores = ids[near], scores[near]
        return [int(row) for row in ids[np.lexsort((ids, -scores))]]

    def count(self) -> int:
        """How many rows it holds."""
        return self._size

    def close(self) -> None:
        """Give the memory back."""
        self.clear()

    def _grow(self, needed: int, width: int) -> None:
        if needed <= len(self._ids) and self._matrix.shape[1] == width:
            return
        room = max(256, needed, 2 * len(self._ids))
        matrix = np.zeros((room, width), np.float32)
        matrix[: self._size] = self._matrix[: self._size] if self._size else 0
        self._matrix = matrix
        self._ids = np.concatenate([self._ids, np.zeros(room - len(self._ids), np.int64)])
        self._codes = np.concatenate([self._codes, np.zeros(room - len(self._codes), np.int64)])
