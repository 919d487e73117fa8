"""The ledger's file: JSON lines that are only ever appended to, whole or not there, by one writer at a time.

    memory/
      ledger.jsonl     a header, then one event a line
      .lock            whose turn it is to write

A line that a kill cut short is not read, and the next writer cuts it off. Compaction writes another file
and puts it in the place of the old one; a header's `generation` tells readers that it has happened. The module knows
rows, not events.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from reflectree.memory.records.rows import Row
from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError

FORMAT = "reflectree-memory"
VERSION = 1
LOCK_TIMEOUT_S = 60.0


class Log:
    """The rows of a folder's ledger, from where this reader last stopped."""

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        self.folder = folder
        self.file = folder / "ledger.jsonl"
        self.damage = 0
        """How many lines that a kill cut short were cut off here."""
        self.book = ""
        """The ledger's own name, which compaction keeps."""
        self._sync = sync
        self._generation = ""
        self._offset = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._lock = FileLock(folder / ".lock", timeout=LOCK_TIMEOUT_S)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the ledger; the system lets go of it when the process dies.

        Raises:
            RunLocked: Another writer holds it for too long.
        """
        try:
            self._lock.acquire()
        except Timeout as error:
            raise RunLocked(f"another process is writing to the memory {self.folder}: wait for it") from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            if not self.file.exists() or not self.file.stat().st_size:
                self.book = uuid.uuid4().hex[:12]
                self.replace([])
            yield
        finally:
            self._lock.release()

    def read(self) -> tuple[bool, list[Row]]:
        """Rows that were not read yet, and whether they begin anew because the file was replaced.

        Raises:
            TraceError: The file is no ledger, or of another version.
        """
        try:
            with self.file.open("rb") as file:
                header = self._header(file.readline())
                anew = header["generation"] != self._generation
                if anew:
                    self._generation, self._offset, self.damage = header["generation"], file.tell(), 0
                    self.book = header["book"]
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return False, []
        except OSError as error:
            raise BadInput(f"cannot read {self.file}: {error.strerror}") from error
        end = data.rfind(b"\n") + 1
        self._offset += end
        return anew, [self._row(line) for line in data[:end].split(b"\n") if line.strip()]

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows; inside `writing`, after `read`. Where the disk is full the file is as it was.

        Raises:
            BadInput: They cannot be written.
        """
        lines = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
        try:
            handle = os.open(self.file, os.O_RDWR | os.O_APPEND)
            try:
                self._cut(handle)
                try:
                    if os.write(handle, lines) != len(lines):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    if self._sync:
                        os.fsync(handle)
                except OSError:
                    os.ftruncate(handle, self._offset)
                    raise
            finally:
                os.close(handle)
        except OSError as error:
            raise self._unwritable(error) from error
        self._offset += len(lines)

    def replace(self, rows: Sequence[Row]) -> None:
        """Put a new file with these rows in the place of the old one; inside `writing`.

        Raises:
            BadInput: It cannot be written; the old one is as it was.
        """
        generation = uuid.uuid4().hex
        header = {"format": FORMAT, "version": VERSION, "book": self.book, "generation": generation}
        data = "".join(f"{json.dumps(row)}\n" for row in (header, *rows)).encode()
        try:
            write_whole(self.file, data)
        except OSError as error:
            raise self._unwritable(error) from error
        self._generation, self._offset, self.damage = generation, len(data), 0

    def _cut(self, handle: int) -> None:
        """Cut off what a writer that died has left of a line; nobody was told that it was written."""
        if os.fstat(handle).st_size > self._offset:
            os.ftruncate(handle, self._offset)
            self.damage += 1

    def _header(self, line: bytes) -> Row:
        try:
            header = json.loads(line)
            if header["format"] == FORMAT and header["version"] == VERSION:
                return {"generation": str(header["generation"]), "book": str(header["book"])}
            said = f"has version {header['version']} and this reads {VERSION}"
        except (ValueError, KeyError, TypeError):
            said = "is no ledger of a memory"
        raise TraceError(f"{self.file} {said}: use another folder")

    def _row(self, line: bytes) -> Row:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise TraceError(f"{self.file} holds a line that is no event: restore it from a snapshot or export")
        return row

    def _unwritable(self, error: OSError) -> BadInput:
        return BadInput(f"cannot write {self.folder}: {error.strerror}; free space there, or choose another folder")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file: it is whole and on the disk, or as it was before."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
