"""What every vector index is: rows go in, row ids come out, nearest first.

An index is a copy that may lag behind or be lost: the table is the truth, and scores are recomputed from it. So an
index returns ids alone, and no backend's idea of "distance" or "similarity" can turn a ranking around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Scores = NDArray[np.float64]

DIGITS = 6
"""Scores are rounded to this many decimals, so that equal texts tie in every backend."""


@dataclass(frozen=True, slots=True)
class Row:
    """One embedded text: `path` is its namespace as the table writes it, `a.b.` for `("a", "b")`."""

    id: int
    path: str
    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for."""

    text: str
    vector: Vector


class VectorIndex(Protocol):
    """Nearest rows by cosine similarity. `scoped` says whether it can search below a namespace by itself."""

    scoped: bool

    def add(self, rows: Sequence[Row]) -> None:
        """Take rows in; one that is already there is left as it is."""

    def drop(self, ids: Sequence[int]) -> None:
        """Forget rows; unknown ids are no error."""

    def nearest(self, query: Query, k: int, prefix: str) -> list[int]:
        """At most `k` row ids, nearest first; with `scoped`, only those whose path starts with `prefix`."""
        ...

    def count(self) -> int | None:
        """How many rows it holds; `None` where it cannot tell."""

    def clear(self) -> None:
        """Forget every row."""

    def close(self) -> None:
        """Give back files and memory; a second call does nothing."""


def cosine(matrix: Vector, vector: Vector) -> Scores:
    """Cosine similarity of each row of `matrix` (n x d) to `vector` (d), in float64 and rounded to `DIGITS`.

    Summed row by row: a product of matrices may give equal rows scores that differ in the last bit.
    """
    wanted = vector.astype(np.float64)
    wanted /= np.sqrt((wanted * wanted).sum())
    scores = np.empty(len(matrix))
    for start in range(0, len(matrix), 4096):
        part = matrix[start : start + 4096].astype(np.float64)
        lengths = np.sqrt((part * part).sum(axis=1))
        scores[start : start + 4096] = (part * wanted).sum(axis=1) / lengths
    rounded: Scores = np.round(scores, DIGITS) + 0.0  # no negative zero
    return rounded
