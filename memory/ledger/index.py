"""The index of a ledger: a LangGraph store that holds what may be recalled, by kind, to be searched by meaning.

It is kept in step with the ledger and can be made again from it. What it holds is never trusted: recall takes ids from
it and the records from the ledger, so that what somebody else puts there is not recalled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langgraph.store.base import BaseStore, PutOp, SearchItem, SearchOp

from reflectree.memory.ledger.state import KIND_OF, State
from reflectree.memory.records.kept import Kind
from reflectree.memory.records.kinds import KINDS, Record

PAGE = 500


class Index:
    """Records of one ledger in a store.

    Args:
        store: Any LangGraph store with an index; without one, search returns what is newest.
        namespace: Where they are put; each kind has one below it.
    """

    def __init__(self, store: BaseStore, namespace: tuple[str, ...] = ("reflectree",)) -> None:
        self.store = store
        self.namespace = namespace

    def searches(self, query: str, kinds: Iterable[Kind], limit: int) -> list[SearchOp]:
        """One search a kind."""
        return [SearchOp((*self.namespace, kind), None, limit, 0, query) for kind in kinds]

    def mark(self) -> tuple[str, int]:
        """The ledger the store is in step with, and up to which event; `("", -1)` where it never was."""
        item = self.store.get((*self.namespace, "ledger"), "mark")
        return (str(item.value.get("book")), int(item.value.get("seq", -1))) if item is not None else ("", -1)

    def update(self, state: State, ids: Iterable[str], book: str) -> None:
        """Put or delete the records of these ids as the state has them, and note how far the store is."""
        puts = [self._put(state, name) for name in dict.fromkeys(ids) if name[:1] in KIND_OF]
        mark = {"book": book, "seq": state.seq}
        self.store.batch([*puts, PutOp((*self.namespace, "ledger"), "mark", mark, index=False)])

    def rebuild(self, state: State, book: str) -> None:
        """Make the store hold what the state has and nothing else."""
        stale = [name for name, value in self._held() if value != self._wanted(state, name)]
        missing = [name for name in state.records if recallable(state.records[name])]
        held = {name for name, _ in self._held()}
        self.update(state, [*stale, *(name for name in missing if name not in held)], book)

    def _put(self, state: State, name: str) -> PutOp:
        return PutOp((*self.namespace, KIND_OF[name[0]]), name, self._wanted(state, name), index=["text"])

    def _wanted(self, state: State, name: str) -> dict[str, Any] | None:
        record = state.records.get(name)
        return value_of(record) if record is not None and recallable(record) else None

    def _held(self) -> Iterable[tuple[str, dict[str, Any]]]:
        for kind in KINDS:
            offset = 0
            while True:
                page: Sequence[SearchItem] = self.store.search((*self.namespace, kind), limit=PAGE, offset=offset)
                yield from ((item.key, item.value) for item in page)
                if len(page) < PAGE:
                    break
                offset += PAGE


def recallable(record: Record) -> bool:
    """Whether it may ever be recalled."""
    return record.standing.trust != "quarantined"


def value_of(record: Record) -> dict[str, Any]:
    """What the store holds of a record: the text it is found by, what a model is shown, and what can be filtered by.

    Only what changes seldom is part of it, so that a use does not embed anything anew.
    """
    origin = record.origin
    return {
        "text": record.key,
        "told": record.told,
        "kind": record.kind,
        "trust": record.standing.trust,
        "source": origin.source,
        "split": origin.split,
        "task": origin.task,
        "scope": origin.scope,
        "run": origin.run,
        "model": origin.model,
    }
