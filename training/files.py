"""Small files that outlive a kill: JSON replaced whole, JSON lines appended one write at a time."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def replace_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON file: it is whole, or as it was before."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one line in one write, begun on a line of its own: one that a kill cut short spoils none but itself.

    It outlives the process at once, and a power cut a few seconds later.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, f"\n{json.dumps(row)}\n".encode())
    finally:
        os.close(handle)


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file's whole lines; none where there is no file."""
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict):
                    yield row
