"""The memories there are: on Chroma, on NumPy alone, on any LangChain vector store. They differ in their index."""

from __future__ import annotations

import time
from collections.abc import Callable
from os import PathLike

from langchain_core.vectorstores import VectorStore
from langgraph.store.base import IndexConfig, TTLConfig

from reflectree.memory.backends.chroma import ChromaIndex
from reflectree.memory.backends.exact import ExactIndex
from reflectree.memory.backends.vectorstore import VectorStoreIndex
from reflectree.memory.following import Follower
from reflectree.memory.store import MemoryStore
from reflectree.rlm_ops.errors import BadInput


class NumpyStore(MemoryStore):
    """Exact search in memory, without a package: about 15 ms among 100,000 vectors. The oracle of the tests."""

    def _following(self) -> Follower | None:
        return Follower(self._table, ExactIndex()) if self._prepare.embedder else None


class ChromaStore(MemoryStore):
    """Search by embedded Chroma, for memories of any size; never Chroma's server.

    The process that opens a folder first uses Chroma's index in it. Others read and write the same records and search
    exactly, for a second process would be answered from the index as Chroma had loaded it once.
    """

    def _following(self) -> Follower | None:
        if not self._prepare.embedder:
            return None
        if self.path is not None and not self._folder.take_index():
            return Follower(self._table, ExactIndex())
        name = f"memory-{self._prepare.epoch}"
        index = ChromaIndex(self._folder.chroma, name)
        return Follower(self._table, index, name if self.path else "")


class VectorStoreMemory(MemoryStore):
    """Search by any LangChain `VectorStore`, whose order is believed and whose scores are not.

    Values, filters, namespaces and scores are this store's own, so texts are embedded twice: here, and there.

    Args:
        vectorstore: Filled by this store alone, or at least under ids of its own.
        path: As for `MemoryStore`; so are `ttl` and `clock`.
        index: As for `MemoryStore`; left out, the vector store's own `embeddings` are used.
    """

    def __init__(
        self,
        vectorstore: VectorStore,
        path: str | PathLike[str] | None = None,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.vectorstore = vectorstore
        if index is None:
            if vectorstore.embeddings is None:
                raise BadInput(f"{type(vectorstore).__name__} shows no embeddings: pass index={{'embed': ...}}")
            index = IndexConfig(embed=vectorstore.embeddings)
        super().__init__(path, index=index, ttl=ttl, clock=clock)

    def _following(self) -> Follower | None:
        name = f"{type(self.vectorstore).__name__}-{self._prepare.epoch}" if self.path else ""
        return Follower(self._table, VectorStoreIndex(self.vectorstore), name)
