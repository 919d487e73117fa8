"""A memory's files beside the ledger: exports that people and other memories read, and snapshots to roll back to.

An export is JSON lines, a record a line. A snapshot is the whole state under a name, in the ledger's folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from reflectree.memory.ledger import snapshotting as saved
from reflectree.memory.ledger.ledger import Ledger
from reflectree.memory.ledger.log import write_whole
from reflectree.memory.records.kinds import Record
from reflectree.memory.records.rows import from_row, to_row
from reflectree.rlm_ops.errors import BadInput


def export(ledger: Ledger, path: str | Path) -> int:
    """Write all current records to a JSON lines file; how many.

    Raises:
        BadInput: It cannot be written.
    """
    records = list(ledger.state.records.values())
    lines = "".join(f"{json.dumps(to_row(record), ensure_ascii=False)}\n" for record in records)
    try:
        write_whole(Path(path), lines.encode())
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}; choose another file") from error
    return len(records)


def read_export(path: str | Path) -> Iterator[Record]:
    """The records of an export.

    Raises:
        BadInput: It cannot be read, or a line is no record; the message names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise BadInput(f"{path}, line {number}: no JSON") from error
            try:
                yield from_row(row)
            except BadInput as error:
                raise type(error)(f"{path}, line {number}: {error}") from error


def load(ledger: Ledger, path: str | Path, *, standing: bool = False) -> tuple[str, ...]:
    """Take the records of an export in, all or none; the ids that are new.

    Without `standing` they are candidates, whatever the file says of them: trust is earned here.
    """
    return ledger.add(list(read_export(path)), standing=standing)


def snapshot(ledger: Ledger, name: str) -> Path:
    """Keep the state under a name.

    Raises:
        BadInput: The memory has no folder, or the name is taken or no name.
    """
    return saved.save(_folder(ledger), name, ledger.state)


def snapshots(ledger: Ledger) -> list[str]:
    """Names of the snapshots."""
    return saved.names(_folder(ledger))


def rollback(ledger: Ledger, name: str) -> None:
    """Make a snapshot the current state; what was forgotten since stays forgotten.

    Raises:
        BadInput: There is no such snapshot, or it is damaged.
    """
    ledger.restore(saved.read(_folder(ledger), name), f"rolled back to {name}")


def _folder(ledger: Ledger) -> Path:
    if ledger.log is None:
        raise BadInput("this memory lies in no folder and has no snapshots: open it with a path")
    return ledger.log.folder
