"""Columns of numbers and a table of texts: the compact form in which many events are sent.

A column that holds little is sent as the places and the values that differ from its default. Texts are sent once,
however often they occur. It knows nothing of what the columns mean.
"""

from __future__ import annotations

from typing import Any

from reflectree.apps.viewer.text import shown

OPS: dict[str, int] = {
    name: code
    for code, name in enumerate(
        ("task", "generate", "refine", "aggregate", "restructure", "evaluate", "backpropagate", "prune", "backtrack",
         "enrich", "failed", "reflect", "answer")
    )
}  # fmt: skip
"""Operators as numbers, in the order in which the page names them."""

STATUSES: dict[str, int] = {"open": 0, "terminal": 1, "pruned": 2, "failed": 3}
"""Statuses as numbers."""

DEFAULTS: dict[str, Any] = {
    "node": 0, "up": -1, "value": None, "text": 0, "note": 0, "how": 0, "source": 0, "status": -1, "answer": 0,
    "index": 0, "usage": None,
}  # fmt: skip
"""What a cell holds where an event says nothing."""


class Texts:
    """Texts by number, each once; 0 is no text.

    Args:
        most: Characters of all of them together, after which the table is full.
    """

    def __init__(self, most: int) -> None:
        self._ids: dict[str, int] = {}
        self._fresh: list[str] = []
        self._cut: list[tuple[int, int]] = []
        self._left = most

    @property
    def full(self) -> bool:
        """Whether there is no more room."""
        return self._left <= 0

    def id(self, text: str | None) -> int:
        """The number of a text."""
        if not text:
            return 0
        known = self._ids.get(text)
        if known is None:
            known = self._ids[text] = len(self._ids) + 1
            words, length = shown(text)
            self._left -= len(words)
            self._fresh.append(words)
            if length:
                self._cut.append((known, length))
        return known

    def fresh(self) -> dict[str, Any]:
        """The texts that are new since the last time, and how long those are that were cut."""
        found = {"texts": self._fresh, "cut": self._cut}
        self._fresh, self._cut = [], []
        return found


class Columns:
    """The cells of some events in a row.

    Args:
        first: The first event's sequence number.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._ops: list[int] = []
        self._cells: dict[str, list[Any]] = {name: [] for name in DEFAULTS}
        self._rare: dict[int, Any] = {}
        self.q: list[float | None] = []

    def add(self, op: int, entry: dict[str, Any], rare: dict[str, Any] | None) -> None:
        """One event more."""
        if rare:
            self._rare[self._first + len(self._ops)] = rare
        self._ops.append(op)
        for name, default in DEFAULTS.items():
            value = entry.get(name, default)
            self._cells[name].append(round(value, 6) if isinstance(value, float) else value)

    def chunk(self) -> dict[str, Any]:
        """What is sent of them."""
        packed = {name: _packed(cells, DEFAULTS[name]) for name, cells in self._cells.items()}
        return {
            "first": self._first,
            "count": len(self._ops),
            "op": self._ops,
            **packed,
            "rare": self._rare,
            "q": self.q,
        }


def _packed(cells: list[Any], default: Any) -> Any:
    """A column as it is, or where little is in it as `[places, values]`."""
    places = [place for place, cell in enumerate(cells) if cell != default]
    if len(places) * 2 > len(cells):
        return cells
    return {"at": places, "is": [cells[place] for place in places]}
