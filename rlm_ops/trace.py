"""The trace of a run: its events in order, append-only, and its file form.

A trace file is JSON lines: a header that names the format and its version, then one event a line. A file that ends in
the middle of a line (a full disk, a kill) loads up to its last whole event and says so in `Trace.damage`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, overload

from reflectree.rlm_ops.calls import GROWING
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Answered, Began, Event, Row, from_row, to_row
from reflectree.rlm_ops.row_check import check_row
from reflectree.rlm_ops.usage import Usage, total_of_rows

FORMAT = "reflectree-trace"
VERSION = 1


def number(rows: Sequence[Row], start: int, next_node: int) -> list[Row]:
    """Copies of `rows` with their sequence numbers and, for those that grow the structure, node ids filled in.

    Args:
        rows: Unnumbered rows, in order of arrival.
        start: The first sequence number.
        next_node: The first free node id (the root, id 0, belongs to the `task` event).
    """
    numbered = []
    for seq, row in enumerate(rows, start):
        if row["op"] in GROWING:
            numbered.append({"seq": seq, **row, "node": next_node})
            next_node += 1
        else:
            numbered.append({"seq": seq, **row})
    return numbered


def next_node_id(rows: Sequence[Row]) -> int:
    """The first free node id after `rows`: looks back to the last row that grew the structure."""
    for row in reversed(rows):
        if row["op"] in GROWING:
            return int(row["node"]) + 1
    return 1


def append(rows: Sequence[Row] | None, batches: Sequence[Sequence[Row]]) -> list[Row]:
    """The trace channel's reducer: `rows` and the batches after it, numbered. Never in place.

    Batching-invariant: `append(append(t, a), b) == append(t, a + b)`. A snapshot may share the list it was taken from,
    so the old list is left as it is.
    """
    before = rows or []
    fresh = [row for batch in batches for row in batch]
    return [*before, *number(fresh, len(before), next_node_id(before))]


class Trace(Sequence[Event]):
    """An immutable sequence of events.

    Example:
        >>> from reflectree.rlm_ops.events import Began
        >>> trace = Trace([Began(question="What is 6 times 7?", seq=0)], run_id="demo")
        >>> len(trace), trace.usage.calls
        (1, 0)
    """

    __slots__ = ("_events", "_rows", "damage", "run_id")

    def __init__(self, events: Iterable[Event] = (), *, run_id: str = "", damage: str = "") -> None:
        self._events: tuple[Event, ...] | None = tuple(events)
        self._rows: tuple[Row, ...] = tuple(map(to_row, self._events))
        self.run_id = run_id
        self.damage = damage
        """What was wrong with the file it was loaded from; "" if nothing was."""

    @classmethod
    def from_rows(cls, rows: Iterable[Row], *, run_id: str = "") -> Trace:
        """The trace a checkpoint's rows stand for; they are decoded when the events are first asked for."""
        trace = cls(run_id=run_id)
        trace._rows = tuple(rows)
        trace._events = None
        return trace

    @property
    def events(self) -> tuple[Event, ...]:
        """The events in order."""
        if self._events is None:
            self._events = tuple(map(from_row, self._rows))
        return self._events

    @property
    def rows(self) -> tuple[Row, ...]:
        """Their wire form."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Trace: ...
    def __getitem__(self, index: int | slice) -> Event | Trace:
        if isinstance(index, slice):
            return Trace.from_rows(self._rows[index], run_id=self.run_id)
        return from_row(self._rows[index]) if self._events is None else self._events[index]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash((len(self), self.run_id))

    def __repr__(self) -> str:
        return f"Trace({len(self)} events, run_id={self.run_id!r})"

    @property
    def began(self) -> Began | None:
        """The first event."""
        first = self[0] if self else None
        return first if isinstance(first, Began) else None

    @property
    def answered(self) -> Answered | None:
        """The last event of a finished run."""
        last = self[-1] if self else None
        return last if isinstance(last, Answered) else None

    @property
    def usage(self) -> Usage:
        """The whole bill."""
        return total_of_rows(row["usage"] for row in self._rows if "usage" in row)

    @property
    def nodes(self) -> int:
        """Steps in the structure, the root not counted."""
        return sum(row["op"] in GROWING for row in self._rows)

    def dumps(self) -> str:
        """The file form as one string."""
        header = {"format": FORMAT, "version": VERSION, "run_id": self.run_id}
        return "".join(
            json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in (header, *self._rows)
        )

    def save(self, path: str | os.PathLike[str]) -> FilePath:
        """Write the trace, atomically: the file is whole or not there.

        Raises:
            BadInput: The path cannot be written.
        """
        target = FilePath(path)
        try:
            handle, name = tempfile.mkstemp(dir=target.parent or FilePath(), prefix=f".{target.name}.")
        except OSError as error:
            raise BadInput(f"cannot write the trace to {target}: {error.strerror}; choose another path") from error
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
                file.write(self.dumps())
            os.replace(name, target)
        except OSError as error:
            FilePath(name).unlink(missing_ok=True)
            raise BadInput(f"cannot write the trace to {target}: {error.strerror}; choose another path") from error
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Read a trace file, up to its last whole event.

        Raises:
            BadInput: The file cannot be read.
            TraceError: It is not a trace, or of another version.
        """
        try:
            # not splitlines(): a step's text may hold any of the other line separators Unicode knows
            lines = FilePath(path).read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
        except OSError as error:
            raise BadInput(f"cannot read the trace {path}: {error.strerror}") from error
        header = _header(lines[0] if lines else "", path)
        events: list[Event] = []
        damage = ""
        for line_number, line in enumerate(lines[1:], 2):
            try:
                event = from_row(check_row(_object(line)))
                if event.seq != len(events):
                    raise TraceError(f"event {event.seq} where event {len(events)} belongs")
            except TraceError as error:
                damage = f"line {line_number}: {error}; loaded the {len(events)} events before it"
                break
            events.append(event)
        return cls(events, run_id=str(header.get("run_id", "")), damage=damage)

    def verify(self) -> list[str]:
        """What is wrong with the trace: damage of its file, gaps, broken references. Empty if it is sound."""
        from reflectree.rlm_ops.structure import fold

        problems = [self.damage] if self.damage else []
        try:
            fold(self)
        except TraceError as error:
            problems.append(str(error))
        if self.answered is None:
            problems.append("the run is not finished: resume it with the checkpoint it came from")
        return problems


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise TraceError("not whole") from error
    if not isinstance(value, dict):
        raise TraceError("not an event")
    return value


def _header(line: str, path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        header = _object(line)
    except TraceError:
        header = {}
    if header.get("format") != FORMAT:
        raise TraceError(f"{path} is not a reflectree trace: its first line must name the format {FORMAT!r}")
    if header.get("version") != VERSION:
        raise TraceError(
            f"{path} is a trace of version {header.get('version')!r}; this reflectree reads version {VERSION}: "
            "use the reflectree release that wrote it"
        )
    return header
