"""Snapshots: the whole state of a memory under a name, in its folder.

They know the folder, not the ledger, which is why rolling back is the ledger's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from reflectree.memory.ledger.log import write_whole
from reflectree.memory.ledger.state import State, state_from_row, state_to_row
from reflectree.memory.records.kinds import Record
from reflectree.rlm_ops.errors import BadInput

_NAME = re.compile(r"[\w][\w.-]{0,79}")


def save(folder: Path, name: str, state: State) -> Path:
    """Keep the state under a name.

    Raises:
        BadInput: The name is taken or none, or the file cannot be written.
    """
    path = _path(folder, name)
    if path.exists():
        raise BadInput(f"there is a snapshot {name!r} already: choose another name")
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, json.dumps(state_to_row(state)).encode())
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}; free space there") from error
    return path


def names(folder: Path) -> list[str]:
    """Their names."""
    return sorted(path.stem for path in (folder / "snapshots").glob("*.json"))


def read(folder: Path, name: str) -> dict[str, Any]:
    """A snapshot's row.

    Raises:
        BadInput: There is none of this name, or it is damaged.
    """
    path = _path(folder, name)
    try:
        row = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        known = ", ".join(names(folder)) or "none"
        raise BadInput(f"there is no snapshot {name!r}: there are {known}") from error
    except (OSError, ValueError) as error:
        raise BadInput(f"the snapshot {name!r} is damaged: roll back to another") from error
    if not isinstance(row, dict):
        raise BadInput(f"the snapshot {name!r} is damaged: roll back to another")
    return row


def records(folder: Path) -> Iterator[Record]:
    """The records of all snapshots."""
    for name in names(folder):
        yield from state_from_row(read(folder, name), 0).records.values()


def erase(folder: Path, forgotten: Collection[str]) -> None:
    """Write every snapshot anew that holds a forgotten record."""
    for name in names(folder):
        state = state_from_row(read(folder, name), 0)
        if not state.records.keys().isdisjoint(forgotten):
            state.forgotten |= set(forgotten)
            state.records = {key: record for key, record in state.records.items() if key not in state.forgotten}
            write_whole(_path(folder, name), json.dumps(state_to_row(state)).encode())


def _path(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name of a snapshot: use letters, digits, dots and dashes")
    return folder / "snapshots" / f"{name}.json"
