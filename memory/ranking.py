"""Items by similarity: candidates from an index, scores and order from the table.

Every candidate is scored again in float64, an item counts with its best vector, and ties are in the order of listings;
so a backend decides how fast an answer is, not what it is. Where an index cannot give enough (filters that few items
pass, many equal vectors, an index that failed) all vectors below the namespace are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reflectree.memory.backends.index import Query, Scores, VectorIndex, cosine
from reflectree.memory.backends.schema import ItemRow
from reflectree.memory.backends.table import ItemTable
from reflectree.memory.following import Follower

SMALL = 256
"""With so few vectors below a namespace, all are scored: it is exact and takes less than an index does."""
WIDEST = 2048
"""An index is asked for so many at most."""

CROWD = 16
"""Of more equal vectors than an index has links a vector, it may miss some: these are scored one by one."""

Scored = tuple[float, ItemRow]


@dataclass(frozen=True, slots=True)
class Search:
    """What is wanted: the best `wanted` items below `prefix` that `accept` lets pass."""

    query: Query
    prefix: str
    accept: Callable[[ItemRow], bool]
    wanted: int
    now: float


def ranked(table: ItemTable, follower: Follower, search: Search) -> list[Scored]:
    """The best items, best first; fewer than wanted only where there are no more with a vector."""
    large = search.prefix in follower.large or table.vectors_below(search.prefix, SMALL + 1) > SMALL
    if large and (index := follower.ready()):
        try:
            found = _by_index(table, index, search)
        except Exception as error:
            follower.failed(error)
            found = None
        if found is not None:
            follower.large.add(search.prefix)
            return found
    follower.large.discard(search.prefix)
    return _exactly(table, search)


def _by_index(table: ItemTable, index: VectorIndex, search: Search) -> list[Scored] | None:
    """What an index finds; `None` where it cannot be sure that this is all."""
    for k, scope in _plan(search, index.scoped):
        ids = index.nearest(search.query, k, scope)
        items, matrix = table.vectors(ids)
        if not items:
            continue
        scores = cosine(matrix, search.query.vector)
        floor = float(scores.min())
        best, values = _pooled(items, scores)
        sure = int(np.searchsorted(-values, -floor))  # what was not found may tie with the farthest that was
        kept = _first(table, search, best[:sure], values[:sure])
        if len(kept) >= search.wanted:
            return None if _crowded(scores, kept[-1][0]) else kept
        if len(ids) < k and scope == search.prefix:
            break
    return None


def _crowded(scores: Scores, last: float) -> bool:
    """Whether many vectors are equally near, among those that are no farther than the last that is wanted."""
    near = np.sort(scores[scores >= last])
    return bool(np.any(near[CROWD:] - near[:-CROWD] < 1e-9))


def _plan(search: Search, scoped: bool) -> Iterator[tuple[int, str]]:
    """How many to ask for, and where: first everywhere, for that is what indexes are fast at, then below the prefix."""
    k = search.wanted + search.wanted // 4 + 8
    if search.prefix:
        yield min(k, WIDEST), ""
        k *= 1 if scoped else 4
    while k <= WIDEST:
        yield k, search.prefix if scoped else ""
        k *= 4


def _exactly(table: ItemTable, search: Search) -> list[Scored]:
    items, matrix = table.scan(search.prefix)
    if not items or search.wanted <= 0:
        return []
    return _first(table, search, *_pooled(items, cosine(matrix, search.query.vector)))


def _first(table: ItemTable, search: Search, items: NDArray[np.int64], scores: Scores) -> list[Scored]:
    """The first `wanted` that are accepted, read from the table piece by piece; a piece ends where no tie is cut."""
    kept: list[Scored] = []
    start, step = 0, search.wanted
    while start < len(items) and len(kept) < search.wanted:
        end = min(start + step, len(items))
        while end < len(items) and scores[end] == scores[end - 1]:
            end += 1
        kept += _accepted(table, search, items[start:end], scores[start:end])
        start, step = end, max(64, 2 * step)
    return sorted(kept, key=lambda pair: (-pair[0], pair[1].namespace, pair[1].id))[: search.wanted]


def _pooled(items: list[int], scores: Scores) -> tuple[NDArray[np.int64], Scores]:
    """Each item once with its best score, best first."""
    if len(items) <= SMALL:  # NumPy's way takes longer for few
        pairs = sorted(zip(scores.tolist(), items, strict=True), key=lambda pair: -pair[0])
        once = {item: score for score, item in reversed(pairs)}
        kept = sorted(once, key=lambda item: -once[item])
        return np.array(kept, np.int64), np.array([once[item] for item in kept])
    unique, places = np.unique(np.array(items, np.int64), return_inverse=True)
    best = np.full(len(unique), -np.inf)
    np.maximum.at(best, places, scores)
    order = np.argsort(-best, kind="stable")
    return unique[order], best[order]


def _accepted(table: ItemTable, search: Search, items: NDArray[np.int64], scores: Scores) -> list[Scored]:
    ids = [int(item) for item in items]
    rows = table.by_ids(ids, search.now)
    found = [(float(score), rows[item]) for item, score in zip(ids, scores, strict=True) if item in rows]
    return [(score, row) for score, row in found if row.path.startswith(search.prefix) and search.accept(row)]
