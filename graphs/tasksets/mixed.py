"""Sets made of sets: their tasks in turn, one of each, until all are through.

It knows nothing of where the parts come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from reflectree.graphs.tasksets.base import Entry, TaskSet


def interleaved(name: str, parts: Sequence[TaskSet], limit: int | None = None, *, tag: bool = False) -> TaskSet:
    """The first tasks of all parts, then the second ones, and so on; a part that has ended is passed over.

    Args:
        name: What the set is called.
        parts: The sets it is made of, in the order of their turns.
        limit: Most tasks; all by default.
        tag: Put the part's number before each id (`2.gsm8k-0`), for parts that may share ids.
    """
    everything = (
        (part, position)
        for position in range(max(map(len, parts), default=0))
        for part in range(len(parts))
        if position < len(parts[part])
    )
    turns = list(islice(everything, limit))

    def make(index: int) -> Entry:
        part, position = turns[index]
        task, identity = parts[part].entry(position)
        if not tag:
            return Entry(task, identity)
        name = f"{part + 1}.{task.id}"
        return Entry(replace(task, id=name), {**identity, "id": name})

    return TaskSet(name, len(turns), make)
