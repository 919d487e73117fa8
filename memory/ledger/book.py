"""The book a ledger is kept in: events appended under a lock, folded into the state, followed by the index.

It knows how events are committed and how the file is kept, not which events may be.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from langgraph.store.base import BaseStore

from reflectree.memory.ledger import events as happened
from reflectree.memory.ledger import snapshotting
from reflectree.memory.ledger.events import Event
from reflectree.memory.ledger.folding import apply
from reflectree.memory.ledger.index import Index
from reflectree.memory.ledger.log import Log
from reflectree.memory.ledger.state import State, state_to_row

Review = Callable[[State], Sequence[Event]]
"""Says what the records' counts mean for their trust (`reflectree.memory.learning.trust.reviewer`)."""


class Book:
    """Events and their fold, in a folder or in this process alone."""

    def __init__(
        self,
        path: str | Path | None,
        *,
        store: BaseStore | None,
        namespace: tuple[str, ...],
        review: Review | None,
        sync: bool,
    ) -> None:
        self.log = Log(Path(path), sync=sync) if path is not None else None
        self.index = Index(store, namespace) if store is not None else None
        self._review = review
        self._state = State()
        self._busy = threading.RLock()
        self._refresh()
        if self._state.erase and self.log is not None:  # a forget that was killed before it had erased the text
            self.compact()

    @property
    def state(self) -> State:
        """The state, with what other processes have written meanwhile. Read it only."""
        with self._busy:
            self._refresh()
            return self._state

    def compact(self) -> None:
        """Replace the file's events by the state they come to, and erase what was forgotten from the snapshots."""
        with self._busy:
            if self.log is None:
                self._state.erase = False
                return
            with self.log.writing():
                self._refresh()
                snapshotting.erase(self.log.folder, self._state.forgotten)
                event = happened.Based(state=state_to_row(self._state), reason="compacted", seq=self._state.seq)
                self.log.replace([happened.to_row(event)])
                self._state.erase = False

    def _commit(self, make: Callable[[State], Sequence[Event]], *, review: bool = False) -> None:
        """Append what `make` says, given the newest state, with the moves of trust that follow."""
        with self._busy:
            if self.log is None:
                self._take(make, review)
                return
            with self.log.writing():
                self._refresh()
                self._take(make, review)

    def _take(self, make: Callable[[State], Sequence[Event]], review: bool) -> None:
        touched = self._append(make(self._state))
        if review and self._review is not None:
            moves = self._append(self._review(self._state))
            touched = None if touched is None or moves is None else touched | moves
        self._follow(touched)

    def _append(self, made: Sequence[Event]) -> set[str] | None:
        rows = [happened.to_row(replace(event, seq=seq)) for seq, event in enumerate(made, self._state.seq + 1)]
        numbered = list(map(happened.from_row, rows))  # what the file could not be read back from is not written
        if self.log is not None and rows:
            self.log.append(rows)
        return _apply(self._state, numbered)

    def _refresh(self) -> None:
        """Take in what others have written."""
        if self.log is None:
            return
        anew, rows = self.log.read()
        if not anew and not rows:
            return
        if anew:
            self._state = State()
        mark = self.index.mark() if self.index is not None else ("", -1)
        touched: set[str] | None = set()
        for event in map(happened.from_row, rows):
            changed = _apply(self._state, [event])
            if mark[0] != self.log.book or event.seq > mark[1]:
                touched = None if touched is None or changed is None else touched | changed
        if mark != (self.log.book, self._state.seq):
            self._follow(None if mark[0] != self.log.book or mark[1] > self._state.seq else touched)

    def _follow(self, touched: set[str] | None) -> None:
        """Bring the index in step."""
        if self.index is None or touched == set():
            return
        book = self.log.book if self.log is not None else ""
        if touched is None:
            self.index.rebuild(self._state, book)
        else:
            self.index.update(self._state, touched, book)


def _apply(state: State, made: Iterable[Event]) -> set[str] | None:
    touched: set[str] | None = set()
    for event in made:
        changed = apply(state, event)
        touched = None if touched is None or changed is None else touched | changed
    return touched
