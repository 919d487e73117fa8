"""A replay buffer's folder: what it says of itself, whose turn it is to write, and what was refused.

It knows nothing of samples.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError
from reflectree.training.files import append_line, replace_json, whole_lines
from reflectree.training.splits import Splits

FORMAT = "reflectree-buffer"
VERSION = 1
LOCK_TIMEOUT_S = 120.0


class BufferFolder:
    """The folder of a buffer, which need not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock", timeout=LOCK_TIMEOUT_S)

    def agree(self, splits: Splits | None) -> Splits | None:
        """The splits the buffer was begun with, or those it is to be begun with.

        Raises:
            BadInput: They differ, or the folder holds something else.
        """
        header = self._header()
        if header is None:
            return splits
        kept = None if header["splits"] is None else Splits(**header["splits"])
        if splits is not None and splits != kept:
            raise BadInput(
                f"the buffer {self.path} was begun with {_said(kept)}, not {_said(splits)}: leave the splits out, or "
                "use another folder, else test tasks leak"
            )
        return kept

    @contextlib.contextmanager
    def writing(self, splits: Splits | None) -> Iterator[None]:
        """Hold the buffer for this writer, begun where it is new; the system lets go of it when the process dies.

        Raises:
            RunLocked: Another writer holds it for too long.
            BadInput: It cannot be written, or another writer has begun it with other splits.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise RunLocked(f"another process is writing to the buffer {self.path}: wait for it") from error
        except OSError as error:
            raise BadInput(f"cannot write {self.path}: {error.strerror}; choose another folder") from error
        try:
            if self._header() is None:
                kept = None if splits is None else splits.to_json()
                replace_json(self.path / "buffer.json", {"format": FORMAT, "version": VERSION, "splits": kept})
            elif self.agree(splits) != splits:
                raise BadInput(f"another process began the buffer {self.path} with splits: open it anew")
            yield
        finally:
            self._lock.release()

    def count(self, duplicates: int, filtered: Mapping[str, int]) -> None:
        """Write down what was refused."""
        append_line(self.path / "counts.jsonl", {"duplicates": duplicates, "filtered": dict(filtered)})

    def refused(self) -> tuple[int, Counter[str]]:
        """How many duplicates were refused so far, and how many samples each filter dropped."""
        duplicates, filtered = 0, Counter[str]()
        for row in whole_lines(self.path / "counts.jsonl"):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                duplicates += int(row["duplicates"])
                filtered.update(row["filtered"])
        return duplicates, filtered

    def _header(self) -> dict[str, Any] | None:
        """What the folder says of itself; `None` where it is new.

        Raises:
            BadInput: It holds something else.
            TraceError: It is of another version.
        """
        file = self.path / "buffer.json"
        foreign = BadInput(f"{self.path} holds no replay buffer: choose another folder")
        try:
            header = json.loads(file.read_bytes())
        except FileNotFoundError:
            if self.path.is_dir() and any(not path.name.startswith(".") for path in self.path.iterdir()):
                raise foreign from None
            return None
        except (OSError, ValueError) as error:
            raise foreign from error
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise foreign
        if header.get("version") != VERSION:
            raise TraceError(f"{file} has version {header.get('version')} and this reads {VERSION}: use another folder")
        return {"splits": None, **header}


def _said(splits: Splits | None) -> str:
    if splits is None:
        return "no splits of its own"
    return f"splits by {splits.key} (valid {splits.valid:g}, test {splits.test:g}, salt {splits.salt!r})"
