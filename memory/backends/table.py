"""The truth of a memory: items, their embedded texts and vectors in one SQLite file (WAL, synced at every commit).

A record is acknowledged when its transaction is on the disk; any number of processes read, and their writes queue.
Indexes follow by row id: ids only grow, `dropped` lists those that went. It knows nothing of embedders or indexes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reflectree.memory.backends.index import Row, Vector
from reflectree.memory.backends.schema import ITEMS, SCHEMA, VERSION, ItemRow, remedy
from reflectree.rlm_ops.errors import BadInput

SOME = 500
"""Parameters of one statement, at most."""


class ItemTable:
    """The SQLite file, or a database in memory. Callers hold their own lock: a connection serves one thread at a time.

    Raises:
        BadInput: The file cannot be opened, is damaged or of another version; later, that it cannot be written.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        with self._told():
            self._db = sqlite3.connect(file or ":memory:", timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise BadInput(f"the memory {file} is of version {version} and this release reads {VERSION}")
            if version != VERSION:
                with self.writing():
                    for statement in SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction: all of it or nothing, on the disk when the block has ended."""
        with self._told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BadInput(f"the memory {self.file or 'in memory'} cannot be used: {error}{remedy(error)}") from error

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.close()

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._told():
            return self._db.execute(statement, parameters).fetchall()

    def number(self, statement: str, *parameters: Any) -> int:
        """The one number a query gives."""
        return int(self.rows(statement, *parameters)[0][0] or 0)

    def run(self, statement: str, *parameters: Any) -> int:
        """Carry out a statement; the number of rows it changed."""
        with self._told():
            return self._db.execute(statement, parameters).rowcount

    def last(self, table: str) -> int:
        """The highest id that `vectors` or `dropped` has ever given."""
        return self.number("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)", table)

    def meta(self, key: str) -> str | None:
        """A note about the whole memory."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", key)
        return str(found[0][0]) if found else None

    def note(self, key: str, value: str) -> None:
        """Write such a note."""
        self.run("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)

    def put(
        self,
        path: str,
        key: str,
        value: str,
        fields: str,
        vectors: Sequence[tuple[str, Vector]],
        now: float,
        ttl: float | None,
    ) -> None:
        """Write an item: one of that key keeps its place and its creation time. `ttl` is in minutes."""
        with self._told():
            namespace = self._namespace(path)
            expires = None if ttl is None else now + 60 * ttl
            there = self._db.execute(
                "SELECT id FROM items WHERE namespace = ? AND key = ?", (namespace, key)
            ).fetchone()
            if there:
                self._db.execute(
                    "UPDATE items SET value = ?, updated = ?, ttl = ?, expires = ?, fields = ?, vectors = ?"
                    " WHERE id = ?",
                    (value, now, ttl, expires, fields, len(vectors), there[0]),
                )
                self.set_vectors(there[0], namespace, vectors)
                return
            item = self._db.execute(
                "INSERT INTO items (namespace, key, value, created, updated, ttl, expires, fields, vectors)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (namespace, key, value, now, now, ttl, expires, fields, len(vectors)),
            ).lastrowid
            assert item is not None
            self._insert_vectors(item, namespace, vectors)

    def set_vectors(self, item: int, namespace: int, vectors: Sequence[tuple[str, Vector]]) -> None:
        """Replace an item's embedded texts."""
        self._drop_vectors(item)
        with self._told():
            self._insert_vectors(item, namespace, vectors)

    def _insert_vectors(self, item: int, namespace: int, vectors: Sequence[tuple[str, Vector]]) -> None:
        for text, vector in vectors:
            self._db.execute(
                "INSERT INTO vectors (item, namespace, text, vector) VALUES (?, ?, ?, ?)",
                (item, namespace, text, vector.astype("<f4", copy=False).tobytes()),
            )

    def _namespace(self, path: str) -> int:
        found = self._db.execute("SELECT id FROM namespaces WHERE path = ?", (path,)).fetchone()
        if found is None:
            found = self._db.execute("INSERT INTO namespaces (path) VALUES (?) RETURNING id", (path,)).fetchone()
        return int(found[0])

    def remove(self, item: int, namespace: int) -> None:
        """Delete an item, and its namespace with the last one."""
        self._drop_vectors(item)
        self.run("DELETE FROM items WHERE id = ?", item)
        empty = "NOT EXISTS (SELECT 1 FROM items WHERE namespace = namespaces.id)"
        self.run(f"DELETE FROM namespaces WHERE id = ? AND {empty}", namespace)

    def _drop_vectors(self, item: int) -> None:
        if self.run("INSERT INTO dropped (vector) SELECT id FROM vectors WHERE item = ?", item) > 0:
            self.run("DELETE FROM vectors WHERE item = ?", item)

    def get(self, path: str, key: str, now: float) -> ItemRow | None:
        """An item that has not expired."""
        found = self.rows(f"{ITEMS} WHERE n.path = ? AND i.key = ? AND {_alive('i')}", path, key, now)
        return ItemRow(*found[0]) if found else None

    def items(self, prefix: str, now: float, page: int = 1000, bare: bool = False) -> Iterator[ItemRow]:
        """Items below a namespace in the order of listings, read `page` at a time; `bare`: those without vectors."""
        where, parameters = _below(prefix, "n.path")
        only = " AND i.vectors = 0" if bare else ""
        after = (-1, -1)
        while True:
            statement = (
                f"{ITEMS} WHERE {where} AND {_alive('i')}{only} AND (i.namespace, i.id) > (?, ?)"
                " ORDER BY i.namespace, i.id LIMIT ?"
            )
            found = [ItemRow(*row) for row in self.rows(statement, *parameters, now, *after, page)]
            yield from found
            if len(found) < page:
                return
            after = (found[-1].namespace, found[-1].id)

    def by_ids(self, ids: Sequence[int], now: float) -> dict[int, ItemRow]:
        """Items by their id."""
        found: dict[int, ItemRow] = {}
        for start in range(0, len(ids), SOME):
            part = ids[start : start + SOME]
            for row in self.rows(f"{ITEMS} WHERE i.id IN ({_marks(part)}) AND {_alive('i')}", *part, now):
                found[row[0]] = ItemRow(*row)
        return found

    def namespaces(self, now: float) -> list[str]:
        """The paths of all namespaces that hold an item."""
        alive = f"EXISTS (SELECT 1 FROM items i WHERE i.namespace = namespaces.id AND {_alive('i')})"
        return [row[0] for row in self.rows(f"SELECT path FROM namespaces WHERE {alive}", now)]

    def vectors_below(self, prefix: str, at_most: int) -> int:
        """How many vectors there are below a namespace, counted up to `at_most`."""
        where, parameters = _scope(prefix)
        return self.number(f"SELECT count(*) FROM (SELECT 1 FROM vectors WHERE {where} LIMIT ?)", *parameters, at_most)

    def scan(self, prefix: str) -> tuple[list[int], Vector]:
        """The item of every vector below a namespace, and the vectors as one matrix."""
        where, parameters = _scope(prefix)
        return _matrix(self.rows(f"SELECT item, vector FROM vectors WHERE {where}", *parameters))

    def vectors(self, ids: Sequence[int]) -> tuple[list[int], Vector]:
        """The same of some row ids; those that went are left out."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(ids), SOME):
            part = ids[start : start + SOME]
            found += self.rows(f"SELECT item, vector FROM vectors WHERE id IN ({_marks(part)})", *part)
        return _matrix(found)

    def added(self, after: int, limit: int) -> list[Row]:
        """The rows that came after row id `after`, oldest first."""
        statement = (
            "SELECT v.id, n.path, v.text, v.vector FROM vectors v JOIN namespaces n ON n.id = v.namespace"
            " WHERE v.id > ? ORDER BY v.id LIMIT ?"
        )
        found = self.rows(statement, after, limit)
        return [Row(row, path, text, np.frombuffer(vector, "<f4")) for row, path, text, vector in found]

    def expire(self, now: float) -> int:
        """Delete what has expired."""
        with self.writing():
            gone = self.rows("SELECT id, namespace FROM items WHERE expires <= ?", now)
            for item, namespace in gone:
                self.remove(item, namespace)
        return len(gone)


def _alive(table: str) -> str:
    return f"({table}.expires IS NULL OR {table}.expires > ?)"


def _below(prefix: str, column: str) -> tuple[str, tuple[str, ...]]:
    """Paths end in a period, which no label holds, and `/` is the next character: a prefix is a range."""
    return (f"{column} >= ? AND {column} < ?", (prefix, prefix[:-1] + "/")) if prefix else ("1", ())


def _scope(prefix: str) -> tuple[str, tuple[str, ...]]:
    where, parameters = _below(prefix, "path")
    return (f"namespace IN (SELECT id FROM namespaces WHERE {where})" if prefix else "1"), parameters


def _matrix(found: Sequence[tuple[Any, ...]]) -> tuple[list[int], Vector]:
    items = [row[0] for row in found]
    joined = np.frombuffer(b"".join(row[1] for row in found), "<f4")
    return items, joined.reshape(len(items), -1) if items else joined.reshape(0, 0)


def _marks(values: Sequence[int]) -> str:
    return ",".join("?" * len(values))
