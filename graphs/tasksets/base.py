"""What a task set is: a lazy, immutable sequence of tasks with stable ids and a digest.

It knows nothing of where tasks come from, nor of what is done with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, overload

from reflectree.rlm_ops.task import Task


class Entry(NamedTuple):
    """A task and what identifies it, its right answer included; the latter only ever goes into the digest."""

    task: Task
    identity: dict[str, Any]


class TaskSet(Sequence[Task]):
    """Tasks made when they are first asked for, and kept.

    Attributes:
        name: The specification it was loaded from.
    """

    def __init__(self, name: str, size: int, make: Callable[[int], Entry]) -> None:
        """A set of `size` tasks; `make` returns the entry at an index, always the same."""
        self.name = name
        self._size = size
        self._make = make
        self._entries: dict[int, Entry] = {}

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> Task: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...

    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        if isinstance(index, slice):
            return [self.entry(position).task for position in range(self._size)[index]]
        return self.entry(range(self._size)[index]).task

    def __iter__(self) -> Iterator[Task]:
        return (self.entry(position).task for position in range(self._size))

    def __repr__(self) -> str:
        return f"TaskSet({self.name!r}, {self._size} tasks)"

    @property
    def digest(self) -> str:
        """SHA-256 over all tasks, right answers included: equal digests are the same set. It makes every task."""
        total = hashlib.sha256()
        for position in range(self._size):
            total.update(canonical(self.entry(position).identity) + b"\n")
        return f"sha256:{total.hexdigest()}"

    def entry(self, position: int) -> Entry:
        """The task at a position from 0 on, with what identifies it; for sets that are made of sets."""
        if position not in self._entries:
            self._entries[position] = self._make(position)
        return self._entries[position]


def canonical(value: Any) -> bytes:
    """JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str).encode()
