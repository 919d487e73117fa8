"""Any LangChain `VectorStore` as a vector index.

Only the order of `similarity_search` is believed, which the interface promises. What a store calls score is a distance
in one and a similarity in the next, and ids are the one thing all of them can delete by.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from reflectree.memory.backends.index import Query, Row

ID = "memory_row"
"""Metadata key of the row, for stores that do not return ids."""


class VectorStoreIndex:
    """Rows as documents; the store embeds them itself."""

    scoped = False

    def __init__(self, store: VectorStore) -> None:
        self.store = store

    def add(self, rows: Sequence[Row]) -> None:
        """Take rows in under their id, so that a second time replaces the first."""
        if rows:
            documents = [Document(page_content=row.text, metadata={ID: row.id}, id=_name(row.id)) for row in rows]
            self.store.add_documents(documents, ids=[_name(row.id) for row in rows])

    def drop(self, ids: Sequence[int]) -> None:
        """Forget rows."""
        if ids:
            self.store.delete([_name(row) for row in ids])

    def nearest(self, query: Query, k: int, prefix: str) -> list[int]:
        """At most `k` row ids, nearest first; foreign documents in the same store are passed over."""
        found = self.store.similarity_search(query.text, k=k)
        return [int(document.metadata[ID]) for document in found if ID in document.metadata]

    def holds(self, row: int) -> bool | None:
        """Whether a row is there; `None` where the store cannot look up ids."""
        try:
            return bool(self.store.get_by_ids([_name(row)]))
        except NotImplementedError:
            return None

    def count(self) -> None:
        """LangChain's interface has no count."""
        return

    def clear(self) -> None:
        """Nothing: rows are added over their former selves."""

    def close(self) -> None:
        """The store is its owner's to close."""


def _name(row: int) -> str:
    return f"memory-{row}"
