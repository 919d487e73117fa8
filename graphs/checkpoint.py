"""Where runs are saved: SQLite or Postgres through LangGraph's savers, one process a run.

LangGraph's `AsyncSqliteSaver` hands every statement to a thread. A search commits thousands of small supersteps, and
the hand-over costs three times the commit, so this saver commits where it stands. The file is the same: either
of LangGraph's SQLite savers reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.sqlite import SqliteSaver

from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError

VERSION = 1


class InlineSqliteSaver(SqliteSaver):
    """LangGraph's synchronous SQLite saver, usable from async graphs: each commit runs inline, well under 1 ms."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `get_tuple`."""
        return self.get_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `list`."""
        for item in self.list(config, filter=filter, before=before, limit=limit):
            yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `put`."""
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `put_writes`."""
        self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """See `delete_thread`."""
        self.delete_thread(thread_id)

    async def aget_delta_channel_history(self, *, config: RunnableConfig, channels: Sequence[str]) -> Mapping[str, Any]:
        """See `get_delta_channel_history`."""
        return self.get_delta_channel_history(config=config, channels=channels)


@contextlib.contextmanager
def open_saver(path: str | os.PathLike[str]) -> Iterator[InlineSqliteSaver]:
    """A saver on a file, made where it is not there.

    Commits survive the death of the process at any instant (write-ahead log, `synchronous=NORMAL`); a power cut may
    lose the last ones.

    Raises:
        BadInput: The file cannot be opened, or is no SQLite database.
        TraceError: It was written by another version.
    """
    try:
        connection = sqlite3.connect(path, check_same_thread=False, timeout=10)
    except sqlite3.Error as error:
        raise BadInput(f"cannot open the checkpoint {path}: {error}; choose another path") from error
    try:
        try:
            saver = InlineSqliteSaver(connection)
            saver.setup()
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("CREATE TABLE IF NOT EXISTS reflectree (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            connection.execute("INSERT OR IGNORE INTO reflectree VALUES ('version', ?)", (str(VERSION),))
            connection.commit()
            version = connection.execute("SELECT value FROM reflectree WHERE key = 'version'").fetchone()[0]
        except sqlite3.Error as error:
            raise BadInput(f"cannot use the checkpoint {path}: {error}; choose another path") from error
        if version != str(VERSION):
            raise TraceError(
                f"the checkpoint {path} is of version {version}; this reflectree reads version {VERSION}: "
                "use the reflectree release that wrote it, or another file"
            )
        yield saver
    finally:
        connection.close()


def remember(saver: InlineSqliteSaver, run_id: str, options: Mapping[str, Any]) -> None:
    """Keep how a run was asked for, so that it can be resumed by its id alone."""
    saver.conn.execute("INSERT OR REPLACE INTO reflectree VALUES (?, ?)", (f"run:{run_id}", json.dumps(dict(options))))
    saver.conn.commit()


def recollect(saver: InlineSqliteSaver, run_id: str) -> dict[str, Any] | None:
    """How a run was asked for; `None` where that was not kept."""
    row = saver.conn.execute("SELECT value FROM reflectree WHERE key = ?", (f"run:{run_id}",)).fetchone()
    return None if row is None else dict(json.loads(row[0]))


def forget(saver: InlineSqliteSaver, run_id: str) -> None:
    """Delete a run and what was kept of it."""
    saver.delete_thread(run_id)
    saver.conn.execute("DELETE FROM reflectree WHERE key = ?", (f"run:{run_id}",))
    saver.conn.commit()


@contextlib.contextmanager
def run_lock(path: str | os.PathLike[str], run_id: str) -> Iterator[None]:
    """Hold a run for this process; the system lets go of it when the process dies.

    Raises:
        RunLocked: Another process, or another call in this one, holds it.
    """
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:16]
    file = Path(f"{os.fspath(path)}.{digest}.lock")
    if not file.parent.is_dir():
        raise BadInput(f"there is no folder {file.parent} for the checkpoint: make it, or choose another path")
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunLocked(
            f"run {run_id} is being worked on by another process: wait for it, or use a new run id"
        ) from error
    except OSError as error:
        raise BadInput(f"cannot write beside the checkpoint {path}: {error.strerror}; choose another path") from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        lock.release()


@contextlib.asynccontextmanager
async def held_saver(
    checkpoint: str | os.PathLike[str] | BaseCheckpointSaver[Any] | None, run_id: str
) -> AsyncIterator[BaseCheckpointSaver[Any] | None]:
    """The saver that a checkpoint stands for, with the run held for this process; a saver is taken as it is.

    Args:
        checkpoint: A SQLite file, the address of a Postgres database (`postgresql://...`), a saver, or nothing.
        run_id: The run.

    Raises:
        RunLocked: Another process, or another call in this one, holds the run.
        BadInput: The file or the database cannot be used.
        TraceError: It was written by another version.
    """
    if checkpoint is None or isinstance(checkpoint, BaseCheckpointSaver):
        yield checkpoint
        return
    from reflectree.graphs.postgres import is_url, open_postgres

    if is_url(checkpoint):
        async with open_postgres(str(checkpoint)) as place, place.lock(run_id):
            yield place.saver()
        return
    with run_lock(checkpoint, run_id), open_saver(checkpoint) as saver:
        yield saver
