"""The indexes by themselves: what comes in is found, what went is not, and their order is the exact one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.store.base import IndexConfig, PutOp

from reflectree.memory import VectorStoreMemory
from reflectree.memory.backends.chroma import ChromaIndex
from reflectree.memory.backends.exact import ExactIndex
from reflectree.memory.backends.index import Query, Row, Vector, VectorIndex, cosine
from reflectree.memory.backends.vectorstore import VectorStoreIndex
from reflectree.memory.embedders.hashing import HashingEmbeddings

DRAW = np.random.default_rng(3)
VECTORS = DRAW.normal(size=(300, 16)).astype(np.float32)
PATHS = ["a.", "a.b.", "ab.", "c.d.e."]


class ByNumber(Embeddings):
    """The vector whose number a text is."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [VECTORS[int(text)].tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def over_vectorstore() -> VectorIndex:
    return VectorStoreIndex(InMemoryVectorStore(ByNumber()))


@pytest.fixture(params=[ExactIndex, lambda: ChromaIndex(None), over_vectorstore], ids=["exact", "chroma", "langchain"])
def index(request: pytest.FixtureRequest) -> Iterator[VectorIndex]:
    make: Callable[[], VectorIndex] = request.param
    made = make()
    yield made
    made.close()


def rows(first: int, last: int) -> list[Row]:
    return [Row(n + 1, PATHS[n % 4], str(n), VECTORS[n]) for n in range(first, last)]


def query(number: int) -> Query:
    return Query(str(number), VECTORS[number])


def nearest(number: int, among: list[int], k: int) -> list[int]:
    scores = cosine(VECTORS[among], VECTORS[number])
    return [among[place] + 1 for place in np.argsort(-scores, kind="stable")[:k]]


def test_the_nearest_come_first_before_and_after_rows_went(index: VectorIndex) -> None:
    index.add(rows(0, 200))
    index.add(rows(150, 300))  # some a second time
    assert index.nearest(query(7), 5, "")[:5] == nearest(7, list(range(300)), 5)
    index.drop([8, *range(101, 200), 999_999])
    left = [n for n in range(300) if n != 7 and not 100 <= n < 199]
    assert index.nearest(query(7), 5, "")[:5] == nearest(7, left, 5)
    assert index.count() in (None, len(left))
    index.add(rows(7, 8))
    assert index.nearest(query(7), 1, "")[0] == 8


@pytest.mark.parametrize(("prefix", "inside"), [("a.", [0, 1]), ("a.b.", [1]), ("ab.", [2]), ("c.", [3]), ("x.", [])])
@pytest.mark.parametrize("make", [ExactIndex, lambda: ChromaIndex(None)], ids=["exact", "chroma"])
def test_a_prefix_is_of_labels(make: Callable[[], VectorIndex], prefix: str, inside: list[int]) -> None:
    index = make()
    assert index.scoped
    index.add(rows(0, 100))
    among = [n for n in range(100) if n % 4 in inside]
    assert index.nearest(query(5), 6, prefix)[:6] == (nearest(5, among, 6) if among else [])
    index.close()


def test_an_empty_index_finds_nothing_and_a_cleared_one_takes_another_width(index: VectorIndex) -> None:
    assert index.nearest(query(0), 3, "") == []
    index.add(rows(0, 3))
    index.clear()
    if index.count() is not None:
        assert index.count() == 0
        wide = np.ones(32, np.float32)
        index.add([Row(1, "a.", "wide", wide)])
        assert index.nearest(Query("wide", wide), 3, "") == [1]


def test_indexes_in_memory_are_apart() -> None:
    one, other = ChromaIndex(None), ChromaIndex(None)
    one.add(rows(0, 5))
    assert other.count() == 0
    one.close()
    other.add(rows(0, 2))
    assert other.count() == 2
    other.close()
    other.close()


def test_equal_rows_have_equal_scores_wherever_they_stand() -> None:
    matrix: Vector = np.tile(VECTORS[:7], (601, 1))
    scores = cosine(matrix, VECTORS[9]).reshape(601, 7)
    assert (scores == scores[0]).all()


class Contrary(InMemoryVectorStore):
    """A store whose scores are distances, as those of some are."""

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: object) -> list[tuple[Document, float]]:
        found = super().similarity_search_with_score(query, k)
        return [(document, 1 - score) for document, score in found]


def test_a_vector_store_whose_scores_are_distances_turns_nothing_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectree.memory.ranking.SMALL", 1)
    texts = ["red apple", "red car", "blue sky"]
    with VectorStoreMemory(Contrary(HashingEmbeddings()), index=IndexConfig(embed="hashing", fields=["text"])) as store:
        store.batch([PutOp(("v",), text, {"text": text}) for text in texts])
        found = store.search(("v",), query="red apple")
    assert [item.key for item in found] == texts
    assert found[0].score == pytest.approx(1)
