"""A memory as LangChain knows it: its own suites for vector stores and retrievers, on our objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore, VectorStoreRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests
from langgraph.store.base import IndexConfig

from reflectree.memory import ChromaStore, MemoryStore, NumpyStore
from reflectree.memory.adapter import StoreVectorStore
from reflectree.memory.embedders.hashing import HashingEmbeddings
from reflectree.rlm_ops.errors import BadInput


class Suite(VectorStoreIntegrationTests):
    """LangChain's suite over one kind of store."""

    kind: type[MemoryStore]

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        with self.kind(tmp_path, index=IndexConfig(embed=self.get_embeddings())) as store:
            yield store.as_vectorstore()


class TestChromaStoreAsVectorStore(Suite):
    kind = ChromaStore


class TestNumpyStoreAsVectorStore(Suite):
    kind = NumpyStore


class MemoryRetriever(VectorStoreRetriever):
    """A retriever over a few documents, made by keyword arguments as the suite makes it."""

    def __init__(self, **options: Any) -> None:
        store = NumpyStore(index=IndexConfig(embed="hashing")).as_vectorstore()
        store.add_texts([f"document {number} of a few" for number in range(5)])
        search = {"k": options.pop("k")} if "k" in options else {}
        super().__init__(vectorstore=store, search_kwargs=search, **options)


class TestRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return MemoryRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {}

    @property
    def retriever_query_example(self) -> str:
        return "a document"


@pytest.fixture
def documents() -> Iterator[StoreVectorStore]:
    with ChromaStore(index=IndexConfig(embed="hashing")) as store:
        made = store.as_vectorstore(("shelf",))
        texts = ["red apple", "red apple pie", "green pear", "red car", "?!"]
        made.add_texts(texts, [{"n": n} for n in range(5)], ids=[str(n) for n in range(5)])
        yield made


def test_scores_are_similarities_and_relevance_is_between_zero_and_one(documents: StoreVectorStore) -> None:
    found = documents.similarity_search_with_score("red apple", k=5)
    assert [document.id for document, _ in found][:2] == ["0", "1"]
    assert found[0][1] == pytest.approx(1)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    relevance = documents.similarity_search_with_relevance_scores("red apple", k=5)
    assert all(0 <= score <= 1 for _, score in relevance)
    near = documents.similarity_search_with_relevance_scores("red apple", k=5, score_threshold=0.9)
    assert [document.id for document, _ in near] == ["0", "1"]


def test_filters_are_over_the_metadata(documents: StoreVectorStore) -> None:
    found = documents.similarity_search("red apple", k=5, filter={"n": {"$gte": 2}})
    assert {document.metadata["n"] for document in found} == {2, 3, 4}


def test_marginal_relevance_prefers_the_unlike(documents: StoreVectorStore) -> None:
    chosen = documents.as_retriever(search_type="mmr", search_kwargs={"k": 2, "lambda_mult": 0.1}).invoke("red apple")
    assert [document.id for document in chosen] == ["0", "2"]


async def test_the_asynchronous_half(documents: StoreVectorStore) -> None:
    names = await documents.aadd_documents([Document("blue whale", id="whale")])
    assert names == ["whale"]
    assert [document.id for document in await documents.asimilarity_search("whale", k=1)] == ["whale"]
    assert await documents.adelete(["whale"])
    assert await documents.aget_by_ids(["whale"]) == []


def test_what_cannot_work_is_refused(documents: StoreVectorStore) -> None:
    with pytest.raises(BadInput, match="as many metadatas and ids"):
        documents.add_texts(["a", "b"], ids=["1"])
    with pytest.raises(BadInput, match="delete needs ids"):
        documents.delete()
    with pytest.raises(BadInput, match="needs an embedder"):
        NumpyStore().as_vectorstore()


def test_from_texts_makes_a_memory_that_lasts(tmp_path: Path) -> None:
    made = StoreVectorStore.from_texts(["one", "two"], HashingEmbeddings(), path=str(tmp_path))
    made.store.close()
    with ChromaStore(tmp_path, index=IndexConfig(embed="hashing")) as store:
        assert [document.page_content for document in store.as_vectorstore().similarity_search("two", k=1)] == ["two"]
