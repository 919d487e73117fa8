"""The LangGraph store that all memories are: a table that is the truth, an embedder, an index that is a copy.

It answers as LangGraph's in-memory store does, without its faults, which `docs/memory-store.md` lists. Which index it
has is for `stores` to say; what a value means (records, trust, credit) is for other modules.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    Item,
    ListNamespacesOp,
    Op,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from reflectree.memory import filters, ranking
from reflectree.memory.backends.index import Query
from reflectree.memory.backends.schema import ItemRow
from reflectree.memory.folder import Folder
from reflectree.memory.following import Follower
from reflectree.memory.namespaces import read, selected, written
from reflectree.memory.preparing import Prepared, Preparing
from reflectree.memory.sweeping import Sweeper
from reflectree.memory.values import decode

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from reflectree.memory.adapter import StoreVectorStore

FLUSH = 2000
"""So many rows may wait for the index; a write that leaves more has the index catch up."""


class MemoryStore(BaseStore):
    """What the three stores share. Any number of threads and processes may use one folder.

    Args:
        path: The memory's folder; `None` keeps it in memory.
        index: LangGraph's index configuration: embedder, fields; without one there is no search by meaning.
        ttl: LangGraph's configuration of expiry. Expired items are left out at once, unless `omit_expired` is False.
        clock: Seconds since 1970; tests pass their own.

    Raises:
        BadInput: The folder cannot be used, or was embedded by another embedder.
    """

    supports_ttl = True

    def __init__(
        self,
        path: str | PathLike[str] | None = None,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.ttl_config = ttl
        self._clock = clock
        self._lock = RLock()
        self._sweeper: Sweeper | None = None
        self._folder = Folder(self.path)
        try:
            self._table = self._folder.table
            self._prepare = Preparing(self._table, index)
            self._follower = self._following()
        except BaseException:
            self._folder.close()
            raise
        self._closing = weakref.finalize(self, _shut, self._folder, self._follower)
        if minutes := (ttl or {}).get("sweep_interval_minutes"):
            self._sweeper = Sweeper(self, minutes)

    def _following(self) -> Follower | None:
        """The index of this store and how far it has come; `None` without an embedder."""
        raise NotImplementedError

    @property
    def embeddings(self) -> Embeddings | None:
        """The embedder, as LangChain has it."""
        return self._prepare.embedder.embeddings if self._prepare.embedder else None

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations: all reads in their order, then all writes as one transaction."""
        prepared = self._prepare(list(ops))
        return self._execute(prepared)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The same; embedding is awaited, and the disk is waited for in a thread."""
        prepared = await self._prepare.asynchronously(list(ops))
        return await asyncio.to_thread(self._execute, prepared)

    def as_vectorstore(self, namespace: Sequence[str] = ("documents",)) -> StoreVectorStore:
        """A LangChain `VectorStore` over one namespace of this store; `.as_retriever()` of it is a retriever."""
        from reflectree.memory.adapter import StoreVectorStore

        return StoreVectorStore(self, tuple(namespace))

    def sweep_ttl(self) -> int:
        """Delete what has expired; how many items."""
        with self._lock:
            return self._table.expire(self._clock())

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Sweep every so many minutes from now on; cancelling the future stops it."""
        future: Future[None] = Future()
        minutes = sweep_interval_minutes or (self.ttl_config or {}).get("sweep_interval_minutes") or 5
        if self._sweeper is None or not self._sweeper.alive:
            self._sweeper = Sweeper(self, minutes)
        sweeper = self._sweeper
        future.add_done_callback(lambda done: sweeper.stop(0) if done.cancelled() else None)
        return future

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop sweeping; whether it has stopped within `timeout` seconds."""
        return self._sweeper is None or self._sweeper.stop(timeout)

    def close(self) -> None:
        """Bring the index up to date and close all files; a second call does nothing."""
        self.stop_ttl_sweeper()
        with self._lock:
            self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _execute(self, prepared: Prepared) -> list[Result]:
        with self._lock:
            self._prepare.require_current()
            now = self._clock()
            results = [self._read(op, prepared, now) for op in prepared.ops]
            if prepared.puts:
                self._write(prepared, now)
            return results

    def _read(self, op: Op, prepared: Prepared, now: float) -> Result:
        shown = now if (self.ttl_config or {}).get("omit_expired", True) else float("-inf")
        match op:
            case GetOp():
                row = self._table.get(written(op.namespace), op.key, shown)
                self._refresh([row] if row else [], op.refresh_ttl, now)
                return _item(row) if row else None
            case SearchOp():
                found = self._search(op, prepared, shown)
                self._refresh([row for _, row in found], op.refresh_ttl, now)
                return [_found(score, row) for score, row in found]
            case ListNamespacesOp():
                spaces = selected(map(read, self._table.namespaces(shown)), op.match_conditions, op.max_depth)
                return spaces[op.offset : op.offset + op.limit]
        return None

    def _search(self, op: SearchOp, prepared: Prepared, now: float) -> list[tuple[float | None, ItemRow]]:
        prefix = written(op.namespace_prefix)
        vector = prepared.queries.get(op.query or "")

        def accept(row: ItemRow) -> bool:
            return not op.filter or filters.matches(decode(row.value), op.filter)

        found: list[tuple[float | None, ItemRow]] = []
        skip = op.offset
        if vector is not None and vector.any() and self._follower:
            query = Query(op.query or "", vector)
            search = ranking.Search(query, prefix, accept, op.offset + op.limit, now)
            scored = ranking.ranked(self._table, self._follower, search)
            found += scored[op.offset :]
            skip = max(0, op.offset - len(scored))
        bare = vector is not None and vector.any()
        if len(found) < op.limit:
            for row in self._table.items(prefix, now, page=_page(op), bare=bool(bare)):
                if accept(row):
                    skip -= 1
                    if skip < 0:
                        found.append((None, row))
                    if len(found) >= op.limit:
                        break
        return found

    def _refresh(self, rows: Sequence[ItemRow], wanted: bool, now: float) -> None:
        lasting = [row for row in rows if row.ttl is not None] if wanted else []
        if lasting:
            with self._table.writing():
                for row in lasting:
                    self._table.run("UPDATE items SET expires = ? + 60 * ttl WHERE id = ?", now, row.id)

    def _write(self, prepared: Prepared, now: float) -> None:
        with self._table.writing():
            self._prepare.require_current()
            for put in prepared.puts:
                if put.value is not None:
                    self._table.put(put.path, put.key, put.value, put.fields, put.vectors, now, put.ttl)
                elif row := self._table.get(put.path, put.key, float("-inf")):
                    self._table.remove(row.id, row.namespace)
        if self._follower and self._follower.pending() >= FLUSH:
            self._follower.ready()


def _page(op: SearchOp) -> int:
    return 1000 if op.filter else max(1, min(1000, op.offset + op.limit))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _item(row: ItemRow) -> Item:
    return Item(
        value=decode(row.value),
        key=row.key,
        namespace=read(row.path),
        created_at=_moment(row.created),
        updated_at=_moment(row.updated),
    )


def _found(score: float | None, row: ItemRow) -> SearchItem:
    return SearchItem(
        read(row.path), row.key, decode(row.value), _moment(row.created), _moment(row.updated), score=score
    )


def _shut(folder: Folder, follower: Follower | None) -> None:
    if follower:
        follower.close()
    folder.close()
