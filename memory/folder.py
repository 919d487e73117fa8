"""A memory's folder: the table, Chroma's files, and the locks that say who may do what."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from reflectree.memory.backends.table import ItemTable
from reflectree.rlm_ops.errors import BadInput

TABLE = "memory.sqlite3"


class Folder:
    """`memory.sqlite3` with the records, `chroma/` with the index, `index.lock` held by the process that uses it.

    Raises:
        BadInput: It cannot be created or written.
    """

    def __init__(self, path: Path | None, create: bool = True) -> None:
        self.path = path
        self.chroma = path / "chroma" if path else None
        self._lock: FileLock | None = None
        if path is None:
            self.table = ItemTable(None)
            return
        if not create and not (path / TABLE).is_file():
            raise BadInput(f"{path} is no memory: there is no {TABLE} in it")
        try:
            path.mkdir(parents=True, exist_ok=True)
            with FileLock(path / "open.lock", timeout=30):  # two processes must not both create the table
                self.table = ItemTable(path / TABLE)
        except (OSError, Timeout) as error:
            raise BadInput(f"the memory {path} cannot be opened: {error}: name a folder that can be written") from error

    def take_index(self) -> bool:
        """Take hold of the index on the disk; False where another process, or another store here, has it."""
        assert self.path is not None
        lock = FileLock(self.path / "index.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._lock = lock
        return True

    def close(self) -> None:
        """Close the table and give the index free."""
        self.table.close()
        if self._lock:
            self._lock.release()
