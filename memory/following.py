"""Keeps an index in step with its table: what was committed since is added and dropped before a search.

An index may be lost, lag or break: it is rebuilt from the table, and meanwhile searches are exact. It knows nothing of
queries.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress

from reflectree.memory.backends.index import VectorIndex
from reflectree.memory.backends.table import ItemTable
from reflectree.memory.backends.vectorstore import VectorStoreIndex
from reflectree.rlm_ops.errors import BadInput

logger = logging.getLogger(__name__)

BATCH = 5000
"""Rows read from the table at once."""
RETRY_AFTER = 30.0
"""Seconds between attempts to rebuild an index that fails again: on a full disk each would be in vain."""
SAVE_EVERY = 1000
"""After so many rows the position is written down; after a crash at most these are added again."""


class Follower:
    """An index and how far it has read the table: the last row id, and the last line of what was dropped.

    Args:
        table: The truth.
        index: The copy.
        name: Under which the position is kept in the table; empty for an index that starts anew each time.
    """

    def __init__(self, table: ItemTable, index: VectorIndex, name: str = "") -> None:
        self.table, self.index, self._name = table, index, name
        self.row, self.seq = 0, 0
        self.large: set[str] = set()  # namespaces that were worth the index when last searched
        self._unsaved = 0
        self._broken = False
        self._retry_at = 0.0
        if name and (saved := table.meta(f"position of {name}")):
            self.row, self.seq = json.loads(saved)
        self._check()

    def pending(self) -> int:
        """How many rows have come since."""
        return self.table.last("vectors") - self.row

    def ready(self) -> VectorIndex | None:
        """The index, caught up with the table; `None` where it fails, and is tried again at the next call."""
        try:
            if self._broken:
                if time.monotonic() < self._retry_at:
                    return None
                self._retry_at = time.monotonic() + RETRY_AFTER
                self.rebuild()
            self.catch_up()
        except Exception as error:
            self.failed(error)
            return None
        return self.index

    def failed(self, error: Exception) -> None:
        """Distrust the index: it is rebuilt before it answers again."""
        if not self._broken:
            logger.warning("the memory's index failed and will be rebuilt, searches are exact until then: %s", error)
        self._broken = True

    def catch_up(self) -> None:
        """Add what was added, then drop what was dropped: in this order a row that came and went stays out."""
        newest = self.table.last("vectors")
        while self.row < newest:
            rows = self.table.added(self.row, BATCH)
            self.index.add(rows)
            self.row = rows[-1].id if len(rows) == BATCH else max([newest, *(row.id for row in rows)])
            self._unsaved += len(rows)
        last = self.table.last("dropped")
        if last > self.seq:
            gone = self.table.rows("SELECT vector FROM dropped WHERE seq > ? AND seq <= ?", self.seq, last)
            self.index.drop([row for (row,) in gone])
            self.seq = last
            self._unsaved += len(gone)
        if self._unsaved >= SAVE_EVERY:
            with suppress(BadInput):  # the position is a short cut: without it these rows are added again one day
                self.save()

    def save(self) -> None:
        """Write the position down, and forget the drops that a persistent index has carried out."""
        if self._name and self._unsaved:
            with self.table.writing():
                self.table.note(f"position of {self._name}", json.dumps([self.row, self.seq]))
        self._unsaved = 0

    def rebuild(self) -> None:
        """Empty the index and fill it from the table."""
        self.index.clear()
        self.row, self.seq, self._unsaved = 0, 0, SAVE_EVERY
        self.catch_up()
        self._broken, self._retry_at = False, 0.0

    def close(self) -> None:
        """Catch up, write the position down and close the index; what fails here is done again at the next start."""
        try:
            if self._name and not self._broken:
                self.catch_up()
                self.save()
        except Exception as error:
            logger.warning("the memory's index was closed behind its table: %s", error)
        self.index.close()

    def _check(self) -> None:
        """Rebuild an index that has not what it should have."""
        if isinstance(self.index, VectorStoreIndex) and self.row:
            newest = self.table.rows("SELECT max(id) FROM vectors WHERE id <= ?", self.row)[0][0]
            if newest is not None and self.index.holds(newest) is not True:
                self.row, self.seq = 0, 0
        if self.ready() is None:
            return
        try:
            found = self.index.count()
        except Exception as error:
            return self.failed(error)
        if found is not None and found != self._expected():
            self.failed(ValueError(f"it has {found} rows and should have {self._expected()}"))
            self.ready()

    def _expected(self) -> int:
        """Rows read so far that were not dropped at the time: one statement, for others may be writing."""
        return self.table.number(
            "SELECT (SELECT count(*) FROM vectors WHERE id <= ?)"
            " + (SELECT count(*) FROM dropped WHERE seq > ? AND vector <= ?)",
            *(self.row, self.seq, self.row),
        )
