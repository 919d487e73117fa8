"""The state of a memory: what the events so far come to, and its wire form.

Read it, and let the ledger change it. Nothing here knows files or stores.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reflectree.memory.records.kept import Kind
from reflectree.memory.records.kinds import KINDS, Record
from reflectree.memory.records.origin import Origin
from reflectree.memory.records.rows import ORIGIN, Row, from_row, to_row
from reflectree.rlm_ops.errors import TraceError

CLOSED_LIMIT = 10_000
"""So many settled runs are remembered, to settle none twice."""

KIND_OF: Mapping[str, Kind] = {kind[0]: kind for kind in KINDS}


@dataclass(slots=True)
class Tally:
    """Settled runs and wins with memory shown, and of the control arm."""

    shown: int = 0
    shown_wins: int = 0
    held: int = 0
    held_wins: int = 0

    def add(self, control: bool, won: bool) -> None:
        """Count one run."""
        if control:
            self.held += 1
            self.held_wins += won
        else:
            self.shown += 1
            self.shown_wins += won


@dataclass(slots=True)
class Open:
    """What a run that is not settled yet retrieved."""

    task: str = ""
    ids: tuple[str, ...] = ()
    control: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """A record that went into another one: into which, and where it came from, so that it can still be forgotten."""

    into: str
    origin: Origin


@dataclass(slots=True)
class State:
    """Records and counts.

    Attributes:
        seq: Number of the last event.
        clock: Settled runs that were credited.
        records: The current records by id, oldest first.
        forgotten: Ids that never come back.
        merged: Ids that went into another, and into which.
        open: Runs that retrieved and are not settled.
        closed: Settled runs, the last ones, with what they were shown.
        tallies: Runs and wins by arm: for each kind, and for `all`.
        erase: Whether the file still holds text of what was forgotten.
    """

    seq: int = -1
    clock: int = 0
    records: dict[str, Record] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    merged: dict[str, Gone] = field(default_factory=dict)
    open: dict[str, Open] = field(default_factory=dict)
    closed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in (*KINDS, "all")})
    erase: bool = False

    def derived(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Those of `ids` that are or were records here, and all that was derived from any of `ids`, however far."""
        reached = set(ids)
        children: dict[str, list[str]] = {}
        for name, origin in self.origins():
            for parent in origin.parents:
                children.setdefault(parent, []).append(name)
        waiting = list(reached)
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in reached:
                    reached.add(child)
                    waiting.append(child)
        return tuple(name for name, _ in self.origins() if name in reached)

    def origins(self) -> Iterator[tuple[str, Origin]]:
        """Where each record comes from, those that went into others included."""
        yield from ((name, record.origin) for name, record in self.records.items())
        yield from ((name, gone.origin) for name, gone in self.merged.items())

    def shown_to(self, run: str) -> tuple[str, ...]:
        """What a run was shown: nothing in the control arm, or where it is not known any more."""
        used = self.open.get(run)
        return self.closed.get(run, ()) if used is None else () if used.control else used.ids

    def tasks_of(self, name: str) -> frozenset[str]:
        """Keys of the tasks a record knows of: its own, and those of everything it was derived from."""
        seen: set[str] = set()
        tasks: set[str] = set()
        waiting = [name]
        while waiting:
            name = waiting.pop()
            record = self.records.get(name)
            if name in seen or record is None:
                continue
            seen.add(name)
            tasks.add(record.origin.task)
            waiting.extend(record.origin.parents)
            if record.kind == "concept":
                waiting.extend((*record.support, *record.counter))
        return frozenset(tasks - {""})


def state_to_row(state: State) -> Row:
    """The state's wire form."""
    return {
        "clock": state.clock,
        "records": [to_row(record) for record in state.records.values()],
        "forgotten": sorted(state.forgotten),
        "merged": {
            name: [gone.into, ORIGIN.dump_python(gone.origin, mode="json", exclude_defaults=True)]
            for name, gone in state.merged.items()
        },
        "open": {run: [used.task, list(used.ids), used.control] for run, used in state.open.items()},
        "closed": {run: list(ids) for run, ids in state.closed.items()},
        "tallies": {
            name: [tally.shown, tally.shown_wins, tally.held, tally.held_wins] for name, tally in state.tallies.items()
        },
    }


def state_from_row(row: Mapping[str, Any], seq: int) -> State:
    """The state a row stands for, as of event `seq`.

    Raises:
        BadInput: It is damaged, or holds what no memory may hold.
    """
    try:
        records = [from_row(one) for one in row["records"]]
        return State(
            seq=seq,
            clock=int(row["clock"]),
            records={record.id: record for record in records},
            forgotten={str(name) for name in row["forgotten"]},
            merged={str(name): Gone(str(into), ORIGIN.validate_json(json.dumps(origin)))
                    for name, (into, origin) in row["merged"].items()},
            open={str(run): Open(str(task), tuple(map(str, ids)), bool(control))
                  for run, (task, ids, control) in row["open"].items()},
            closed={str(run): tuple(map(str, ids)) for run, ids in row["closed"].items()},
            tallies={name: Tally(*map(int, row["tallies"][name])) for name in (*KINDS, "all")},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TraceError(f"a damaged state of a ledger: {type(error).__name__}: {error}") from error
