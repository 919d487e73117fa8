"""A memory as a LangChain `VectorStore`, and so as a retriever: documents are the items of one namespace."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from langgraph.store.base import GetOp, IndexConfig, Item, PutOp, Result, SearchItem, SearchOp

from reflectree.rlm_ops.errors import BadInput

if TYPE_CHECKING:
    from reflectree.memory.store import MemoryStore

TEXT, METADATA = "page_content", "metadata"


class StoreVectorStore(VectorStore):
    """Documents as values `{"page_content": ..., "metadata": {...}}`; scores are cosine similarities.

    Args:
        store: Any memory that has an embedder.
        namespace: Where its documents are; search covers what lies below, too.
    """

    def __init__(self, store: MemoryStore, namespace: tuple[str, ...]) -> None:
        if store.embeddings is None:
            raise BadInput("a vector store needs an embedder: open the memory with index={'embed': 'embedded'}")
        self.store, self.namespace = store, namespace

    @property
    def embeddings(self) -> Embeddings | None:
        """The memory's embedder."""
        return self.store.embeddings

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str | None = None,
        namespace: Sequence[str] = ("documents",),
        **kwargs: Any,
    ) -> Self:
        """A Chroma memory of these texts, on the disk where a path is given."""
        from reflectree.memory.stores import ChromaStore

        made = cls(ChromaStore(path, index=IndexConfig(embed=embedding)), tuple(namespace))
        made.add_texts(texts, metadatas, ids=ids)
        return made

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, or replace those of the same ids; their ids."""
        ops, names = self._puts(list(texts), metadatas, ids)
        self.store.batch(ops)
        return names

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """The same, awaited."""
        ops, names = self._puts(list(texts), metadatas, ids)
        await self.store.abatch(ops)
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Delete documents; unknown ids are no error."""
        self.store.batch(self._deletes(ids))
        return True

    async def adelete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """The same, awaited."""
        await self.store.abatch(self._deletes(ids))
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents there are of these ids, in their order."""
        return _documents(self.store.batch([GetOp(self.namespace, name) for name in ids]))

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The same, awaited."""
        return _documents(await self.store.abatch([GetOp(self.namespace, name) for name in ids]))

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The nearest documents with their cosine similarity. `filter` is over the metadata."""
        return _scored(self.store.batch([self._search(query, k, filter)]))

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, filter: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same, awaited."""
        return _scored(await self.store.abatch([self._search(query, k, filter)]))

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The nearest documents."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The same, awaited."""
        return [document for document, _ in await self.asimilarity_search_with_score(query, k, **kwargs)]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Of the `fetch_k` nearest, `k` that are near and unlike each other."""
        near = self.similarity_search(query, fetch_k, **kwargs)
        embeddings = self.embeddings
        if not near or embeddings is None:
            return []
        vectors = embeddings.embed_documents([document.page_content for document in near])
        wanted = np.array(embeddings.embed_query(query))
        return [near[place] for place in maximal_marginal_relevance(wanted, vectors, lambda_mult, k)]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: (1 + cosine) / 2

    def _puts(
        self, texts: list[str], metadatas: list[dict[Any, Any]] | None, ids: Sequence[str | None] | None
    ) -> tuple[list[PutOp], list[str]]:
        if any(given is not None and len(given) != len(texts) for given in (metadatas, ids)):
            raise BadInput(f"{len(texts)} texts need as many metadatas and ids, or none")
        names = [name or uuid.uuid4().hex for name in ids or [None] * len(texts)]
        values = zip(texts, metadatas or [{}] * len(texts), strict=True)
        put = [{TEXT: text, METADATA: metadata or {}} for text, metadata in values]
        ops = [PutOp(self.namespace, name, value, [TEXT]) for name, value in zip(names, put, strict=True)]
        return ops, names

    def _deletes(self, ids: list[str] | None) -> list[PutOp]:
        if ids is None:
            raise BadInput("delete needs ids: a whole memory is deleted by deleting its folder")
        return [PutOp(self.namespace, name, None) for name in ids]

    def _search(self, query: str, k: int, conditions: dict[str, Any] | None) -> SearchOp:
        return SearchOp(self.namespace, {METADATA: conditions} if conditions else None, k, 0, query)


def _documents(found: Sequence[Result]) -> list[Document]:
    return [_document(item) for item in found if isinstance(item, Item)]


def _document(item: Item) -> Document:
    return Document(id=item.key, page_content=item.value[TEXT], metadata=item.value[METADATA])


def _scored(found: Sequence[Result]) -> list[tuple[Document, float]]:
    assert isinstance(found[0], list)
    items = [item for item in found[0] if isinstance(item, SearchItem)]
    return [(_document(item), item.score or 0.0) for item in items]
