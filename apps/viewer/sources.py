"""Where traces come from: a file, a folder, a file that grows, a run in a checkpoint.

A source that is followed is asked again and again for the events that came since; it reads, and writes nothing. It
knows nothing of pages.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from reflectree.graphs.checkpoint import InlineSqliteSaver
from reflectree.graphs.run import saved_trace
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Answered, Enriched, Evaluated, Event, Failed, Grown, from_row
from reflectree.rlm_ops.row_check import check_row
from reflectree.rlm_ops.trace import Trace

MOST_FILES = 2000
"""Traces of a folder that are listed."""


class Following(Protocol):
    """A run that goes on."""

    run_id: str
    problem: str
    """What is wrong with it, once something is; nothing comes after that."""

    def fresh(self) -> Sequence[Event]:
        """The events since the last time."""
        ...

    @property
    def busy(self) -> list[list[int]]:
        """The nodes of the calls that are known to be in flight."""
        ...


class GrowingFile:
    """A trace file to which lines are added.

    Args:
        path: The file.

    Raises:
        BadInput: It cannot be read, or is no trace.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        first = Trace.load(self._path)  # says what is wrong with what is no trace
        self.run_id = first.run_id
        self.problem = ""
        self.busy: list[list[int]] = []
        """A file does not tell what is in flight."""
        self._count = 0
        self._offset = 0
        self._rest = b""
        self._headed = False

    def fresh(self) -> Sequence[Event]:
        """The events of the whole lines that came since the last time."""
        if self.problem:
            return ()
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                added = file.read()
                self._offset = file.tell()
        except OSError as error:
            self.problem = f"cannot read {self._path}: {error.strerror}"
            return ()
        lines = (self._rest + added).split(b"\n")
        self._rest = lines.pop()
        if lines and not self._headed:
            self._headed = True
            del lines[0]
        return self._read(lines)

    def _read(self, lines: Sequence[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise TraceError("not an event")
                event = from_row(check_row(row))
            except (ValueError, TraceError) as error:
                words = str(error) if isinstance(error, TraceError) else "not whole"
                self.problem = f"damaged: event {self._count}: {words}; what follows is left out"
                break
            events.append(event)
            self._count += 1
        return events


class SavedRun:
    """A run in a checkpoint, whoever works on it. The file is opened for reading only.

    Args:
        path: The SQLite file.
        run_id: The run; where it is "", the only one there is.

    Raises:
        BadInput: There is no such file or run.
    """

    def __init__(self, path: str | os.PathLike[str], run_id: str = "") -> None:
        if not Path(path).is_file():
            raise BadInput(f"no checkpoint at {path}: check the path")
        self._connection = sqlite3.connect(
            f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
        self._saver = InlineSqliteSaver(self._connection)
        self._saver.is_setup = True  # it would write tables into a file that is only read
        self.problem = ""
        self.run_id = run_id or self._only(path)
        self._seen = ""
        self._count = 0
        self._sent: dict[tuple[str, tuple[int, ...], int], None] = {}
        self.trace()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def fresh(self) -> Sequence[Event]:
        """The events saved since the last time."""
        try:
            latest = self._latest()
            if latest == self._seen:
                return ()
            trace = self.trace()
        except (sqlite3.Error, BadInput) as error:
            self.problem = f"the checkpoint cannot be read any more: {error}"
            return ()
        self._seen = latest
        added = trace.events[self._count :] if len(trace) > self._count else ()
        self._count = max(self._count, len(trace))
        self._note(added)
        return added

    @property
    def busy(self) -> list[list[int]]:
        """The nodes of the calls that were sent to agents and have not settled."""
        return [list(nodes) for _, nodes, _ in self._sent]

    def _only(self, path: str | os.PathLike[str]) -> str:
        try:
            found = [row[0] for row in self._connection.execute("SELECT DISTINCT thread_id FROM checkpoints LIMIT 21")]
        except sqlite3.Error as error:
            raise BadInput(f"{path} is no checkpoint: {error}") from error
        if len(found) == 1:
            return str(found[0])
        if not found:
            raise BadInput(f"{path} holds no run: wait until one has begun")
        many = len(found) if len(found) <= 20 else "more than 20"
        raise BadInput(f"{path} holds {many} runs: name one with --run, as {', '.join(map(str, found[:20]))}")

    def _latest(self) -> str:
        """Changes whenever the run's checkpoint does."""
        query = (
            "SELECT max(checkpoint_id), (SELECT count(*) FROM writes WHERE thread_id = ?1) "
            "FROM checkpoints WHERE thread_id = ?1"
        )
        try:
            return str(self._connection.execute(query, (self.run_id,)).fetchone())
        except sqlite3.Error as error:
            raise BadInput(f"this is no checkpoint: {error}") from error

    def trace(self) -> Trace:
        """What is saved."""
        try:
            return saved_trace(self.run_id, self._saver)
        except sqlite3.Error as error:
            raise BadInput(f"this is no checkpoint of a run: {error}") from error

    def _note(self, added: Sequence[Event]) -> None:
        """Keep account of the calls that were sent and have not settled."""
        for call in self._pending():
            self._sent[call] = None
        for event in added:
            if isinstance(event, Answered):
                self._sent.clear()
            elif isinstance(event, Evaluated) and event.against != -1:
                self._sent.pop(("evaluate", (event.node, event.against), event.index), None)
            elif isinstance(event, Evaluated | Enriched):
                self._sent.pop((event.op, (event.node,), event.index), None)
            elif isinstance(event, Grown | Failed):
                op = event.of if isinstance(event, Failed) else event.op
                self._sent.pop((op, event.nodes, event.index), None)

    def _pending(self) -> list[tuple[str, tuple[int, ...], int]]:
        """The calls that the latest superstep sends to agents."""
        found = self._saver.get_tuple({"configurable": {"thread_id": self.run_id, "checkpoint_ns": ""}})
        waiting: Any = (found.checkpoint["channel_values"].get("__pregel_tasks") or ()) if found else ()
        calls = []
        for send in waiting:
            words = getattr(send, "arg", None)
            op = _OPERATORS.get(getattr(send, "node", ""))
            if op is not None and isinstance(words, dict):
                calls += [(op, tuple(nodes), index) for nodes, index, *_ in words.get("calls", ())]
        return calls


_OPERATORS = {
    "generator": "generate",
    "refiner": "refine",
    "aggregator": "aggregate",
    "evaluator": "evaluate",
    "enricher": "enrich",
}
"""What the agents' nodes carry out."""


def listed(folder: Path) -> tuple[list[Path], int]:
    """The traces of a folder and of those in it, and how many more there are than are listed.

    Raises:
        BadInput: There is none.
    """
    files = sorted(file for file in folder.rglob("*.jsonl") if file.is_file() and _is_trace(file))
    if not files:
        raise BadInput(f"{folder} holds no trace (*.jsonl, as --trace saves it)")
    return files[:MOST_FILES], max(0, len(files) - MOST_FILES)


def _is_trace(file: Path) -> bool:
    """Whether the first line says so."""
    try:
        with file.open("rb") as opened:
            return b'"reflectree-trace"' in opened.readline(1000)
    except OSError:
        return False
