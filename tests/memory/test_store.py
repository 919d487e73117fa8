"""The stores against LangGraph's own and against each other, and what they refuse."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.store.base import (
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)
from tests.memory import programs

from reflectree.memory import ChromaStore, MemoryStore, NumpyStore, VectorStoreMemory
from reflectree.memory.backends.exact import ExactIndex
from reflectree.memory.backends.index import Query
from reflectree.memory.embedders.hashing import HashingEmbeddings
from reflectree.memory.values import MAX_BYTES
from reflectree.rlm_ops.errors import BadInput

HASHING = IndexConfig(embed="hashing")


def chroma(given: Embeddings | None = None, **options: Any) -> MemoryStore:
    return ChromaStore(**options)


def exact(given: Embeddings | None = None, **options: Any) -> MemoryStore:
    return NumpyStore(**options)


def over_vectorstore(given: Embeddings | None = None, index: IndexConfig | None = None, **options: Any) -> MemoryStore:
    embedder = given or HashingEmbeddings(64 if index and index.get("dims") == 64 else 256)
    return VectorStoreMemory(InMemoryVectorStore(embedder), index=index, **options)


BACKENDS = [chroma, exact, over_vectorstore]


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest) -> Iterator[MemoryStore]:
    made: MemoryStore = request.param(index=HASHING)
    yield made
    made.close()


def same(op: Op, ours: Result, theirs: Result) -> None:
    """Equal but for times; where scores tie, LangGraph's order of ties is an accident of its sort."""
    if isinstance(op, GetOp):
        assert (ours is None) == (theirs is None), op
        if isinstance(ours, Item) and isinstance(theirs, Item):
            assert (ours.namespace, ours.key, ours.value) == (theirs.namespace, theirs.key, theirs.value)
    elif isinstance(op, SearchOp):
        assert isinstance(ours, list)
        assert isinstance(theirs, list)
        scores = [[item.score for item in found if isinstance(item, SearchItem)] for found in (ours, theirs)]
        assert len(scores[0]) == len(scores[1]), op
        for our, their in zip(*scores, strict=True):
            assert our == their if None in (our, their) else our == pytest.approx(their, abs=2e-6), (op, scores)
        names = [
            [(item.namespace, item.key) for item in found if isinstance(item, SearchItem)] for found in (ours, theirs)
        ]
        last = scores[0][-1] if scores[0] else None
        settled = [number for number, score in enumerate(scores[0]) if score is None or score != last]
        if not op.offset:
            assert {names[0][n] for n in settled} == {names[1][n] for n in settled}, op
    else:
        assert ours == theirs, op


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(6))
def test_answers_as_langgraphs_own_store_operation_for_operation(
    backend: Callable[..., MemoryStore], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reflectree.memory.ranking.SMALL", 5)  # or no search would ask the index
    rng = random.Random(seed)
    reference = programs.Reference()
    with backend(index=programs.index()) as store:
        for _ in range(60):
            batch = [programs.operation(rng) for _ in range(rng.choice([1, 1, 1, 4]))]
            for op, ours, theirs in zip(batch, store.batch(batch), reference.batch(batch), strict=True):
                same(op, ours, theirs)


@pytest.mark.parametrize("backend", [chroma, over_vectorstore])
@pytest.mark.parametrize("seed", range(3))
def test_answers_exactly_as_the_numpy_store_ties_included(
    backend: Callable[..., MemoryStore], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reflectree.memory.ranking.SMALL", 5)
    rng = random.Random(100 + seed)
    with (
        backend(index=programs.index(), clock=lambda: 0.0) as store,
        NumpyStore(index=programs.index(), clock=lambda: 0.0) as oracle,
    ):
        for _ in range(100):
            batch = [programs.operation(rng) for _ in range(rng.choice([1, 5]))]
            assert store.batch(batch) == oracle.batch(batch)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=15)
@given(
    vectors=st.lists(st.tuples(*[st.integers(-3, 3)] * 3).filter(any), min_size=1, max_size=30),
    wanted=st.tuples(*[st.integers(-3, 3)] * 3).filter(any),
    limit=st.integers(1, 12),
)
def test_nearer_never_ranks_lower(
    backend: Callable[..., MemoryStore], vectors: list[tuple[int, ...]], wanted: tuple[int, ...], limit: int
) -> None:
    names = {str(number): vector for number, vector in enumerate(vectors)} | {"wanted": wanted}

    class Given(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[float(part) for part in names.get(text, (1, 1, 1))] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    def angle(vector: tuple[int, ...]) -> float:
        return float(np.dot(vector, wanted) / np.linalg.norm(vector) / np.linalg.norm(wanted))

    index = IndexConfig(embed=Given(), fields=["text"])
    small = pytest.MonkeyPatch()
    small.setattr("reflectree.memory.ranking.SMALL", 3)
    with backend(index=index, given=Given()) as store:
        store.batch([PutOp(("v",), name, {"text": name}) for name in names if name != "wanted"])
        found = store.search(("v",), query="wanted", limit=limit)
    small.undo()
    similarity = [angle(names[item.key]) for item in found]
    assert similarity == pytest.approx(sorted(map(angle, vectors), reverse=True)[:limit], abs=2e-6)
    assert [item.score for item in found] == pytest.approx(similarity, abs=2e-6)


VALUES: list[dict[str, Any]] = [
    {"when": datetime(2026, 11, 21, 12, 0, 0, 5, UTC), "day": date(2026, 1, 2), "naive": datetime(2026, 1, 1)},
    {"zone": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))},
    {"empty": [], "none": None, "object": {}, "nested": [[[]], {"a": [{"b": None}]}]},
    {"$type": "datetime", "iso": "not a date", "inner": {"$type": "object", "pairs": 3}},
    {"surrogate": "lone \ud800 here", "nul": "a\x00b", "emoji": "🌳", "": "empty key"},
    {"big": 10**40, "tiny": 5e-324, "negative": -0.0, "true": True, "infinity": float("inf")},
    {},
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_comes_back_as_it_went(store: MemoryStore, value: dict[str, Any]) -> None:
    store.put(("values",), "one", value)
    kept = store.get(("values",), "one")
    assert kept is not None
    assert kept.value == value
    assert [item.value for item in store.search(("values",), query="lone")] == [value]


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.datetimes(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ),
    )
)
def test_any_json_value_comes_back(value: dict[str, Any]) -> None:
    with NumpyStore() as store:
        store.put(("v",), "k", value)
        kept = store.get(("v",), "k")
        assert kept is not None
        assert kept.value == value


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"in": value}
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"blob": [b"\x00\x01"]}, r"value.blob\[0\] is binary"),
        ({"text": "x" * MAX_BYTES}, "bytes and a memory holds"),
        ({"set": {1}}, "value.set is of type set"),
        ({"inner": {1: 2}}, "has the key 1"),
        (nested(101), "nested deeper"),
        ({"digits": 10**5000}, "cannot be written as JSON"),
        (["a list"], "a memory's value is a mapping"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused_and_nothing_is_written(
    store: MemoryStore, value: Any, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        store.batch([PutOp(("v",), "good", {"text": "good"}), PutOp(("v",), "bad", value)])
    assert store.search(()) == []


def test_names_that_cannot_be_kept_are_refused(store: MemoryStore) -> None:
    for namespace, key, words in [
        (("a", "\ud800"), "k", "lone surrogate"),
        (("a",), "\udfff", "lone surrogate"),
        (("a",), "nul\x00", "NUL"),
    ]:
        with pytest.raises(BadInput, match=words):
            store.put(namespace, key, {"text": "x"})
    with pytest.raises(InvalidNamespaceError):
        store.batch([PutOp(("a.b",), "k", {"text": "x"})])
    with pytest.raises(BadInput, match="at least one label"):
        store.batch([PutOp((), "k", {"text": "x"})])


@pytest.mark.parametrize("conditions", [{"$or": [{"a": 1}]}, {"a": {"$in": [1]}}, {"a": {"$gt": 1, "b": 2}}])
def test_a_filter_that_no_store_understands_is_refused(store: MemoryStore, conditions: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="filter"):
        store.search(("a",), filter=conditions)


def test_what_cannot_be_compared_does_not_match(store: MemoryStore) -> None:
    values = {"none": None, "word": "later", "old": "2026-01-01", "new": "2026-06-01", "number": 3, "list": [1]}
    for key, when in values.items():
        store.put(("v",), key, {"when": when})
    assert [item.key for item in store.search(("v",), filter={"when": {"$gt": "2026-03-01"}})] == ["word", "new"]
    assert [item.key for item in store.search(("v",), filter={"when": {"$gte": 3}})] == ["number"]
    assert store.search(("v",), filter={"missing": {"$lt": 3}}) == []


def test_a_text_without_a_vector_is_found_last_and_without_a_score(store: MemoryStore) -> None:
    store.put(("v",), "zero", {"text": "!?"}, index=["text"])
    store.put(("v",), "unindexed", {"text": "red apple"}, index=False)
    store.put(("v",), "apple", {"text": "red apple"}, index=["text"])
    found = [(item.key, item.score) for item in store.search(("v",), query="apple")]
    assert found == [("apple", pytest.approx(0.707107)), ("zero", None), ("unindexed", None)]
    assert [item.score for item in store.search(("v",), query="...")] == [None, None, None]
    assert [item.key for item in store.search(("v",), query="apple", offset=2)] == ["unindexed"]


def test_an_update_keeps_place_and_birth_and_drops_old_vectors(store: MemoryStore) -> None:
    store.put(("v",), "a", {"text": "green"})
    store.put(("v",), "b", {"text": "blue"})
    born = store.get(("v",), "a")
    store.put(("v",), "a", {"text": "yellow"}, index=False)
    updated = store.get(("v",), "a")
    assert born is not None
    assert updated is not None
    assert updated.created_at == born.created_at
    assert updated.updated_at >= born.updated_at
    assert [item.key for item in store.search(("v",))] == ["a", "b"]
    assert [item.score for item in store.search(("v",), query="green") if item.key == "a"] == [None]


def test_equal_texts_are_all_found_in_the_order_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectree.memory.ranking.SMALL", 5)
    with ChromaStore(index=HASHING) as store:
        store.batch([PutOp(("same",), f"{n:03}", {"text": "the very same words"}) for n in range(400)])
        store.batch([PutOp(("other",), f"{n:03}", {"text": f"another {n}"}) for n in range(100)])
        found = store.search((), query="the very same words", limit=7, offset=390)
    assert [item.key for item in found] == [f"{n:03}" for n in range(390, 397)]


def test_an_index_that_misses_one_of_a_crowd_of_equals_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Approximate(ExactIndex):
        def nearest(self, query: Query, k: int, prefix: str) -> list[int]:
            return super().nearest(query, k, prefix)[1:]

    monkeypatch.setattr("reflectree.memory.ranking.SMALL", 5)
    with NumpyStore(index=HASHING) as store:
        monkeypatch.setattr(store._follower, "index", Approximate())
        store.batch([PutOp(("same",), f"{n:03}", {"text": "the very same words"}) for n in range(40)])
        store.batch([PutOp(("other",), f"{n:03}", {"text": f"another {n}"}) for n in range(40)])
        found = store.search((), query="the very same words", limit=7)
        assert [item.key for item in found] == [f"{n:03}" for n in range(7)]


def test_a_small_namespace_is_found_within_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectree.memory.ranking.SMALL", 5)
    with ChromaStore(index=HASHING) as store:
        store.batch([PutOp(("large",), f"{n}", {"text": f"apple number {n}"}) for n in range(500)])
        store.batch([PutOp(("small", "x"), f"{n}", {"text": f"pear number {n}"}) for n in range(20)])
        found = store.search(("small",), query="apple number 7", limit=3)
        assert {item.namespace for item in found} == {("small", "x")}
        assert found[0].key == "7"


async def test_the_asynchronous_half_is_the_same(store: MemoryStore) -> None:
    await asyncio.gather(*(store.aput(("v", str(n % 2)), str(n), {"text": f"word{n}"}) for n in range(10)))
    assert len(await store.asearch(("v",), limit=20)) == 10
    assert (await store.asearch(("v",), query="word3"))[0].key == "3"
    assert await store.alist_namespaces(prefix=("v",)) == [("v", "0"), ("v", "1")]
    await store.adelete(("v", "1"), "3")
    assert await store.aget(("v", "1"), "3") is None


async def test_an_asynchronous_embedder_serves_the_asynchronous_half() -> None:
    inner = HashingEmbeddings(32)

    async def embed(texts: Sequence[str]) -> list[list[float]]:
        await asyncio.sleep(0)
        return inner.embed_documents(list(texts))

    with NumpyStore(index=IndexConfig(dims=32, embed=embed)) as store:
        with pytest.raises(BadInput, match="use aput, asearch"):
            store.put(("v",), "k", {"text": "hello"})
        await store.aput(("v",), "k", {"text": "hello"})
        assert (await store.asearch(("v",), query="hello"))[0].score is not None


def test_threads_share_a_store(store: MemoryStore) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                store.put(("t", str(number)), str(turn), {"text": f"turn {turn}"})
                store.search(("t",), query="turn 3")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(store.search(("t",), limit=100)) == 60


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([[float("nan")] * 4], "NaN or infinity"), ([[1.0] * 5], "numbers where 4 belong"), ([], "gave 0 vectors for 1")],
)
def test_what_an_embedder_must_not_give_is_refused(numbers: list[list[float]], words: str) -> None:
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> list[list[float]]:
        asked.extend(texts)
        return numbers if len(asked) > 1 else [[1.0, 0.0, 0.0, 0.0]]

    with ChromaStore(index=IndexConfig(embed=embed)) as store:
        with pytest.raises(BadInput, match=words):
            store.put(("v",), "k", {"text": "hello"})
        assert store.get(("v",), "k") is None


def test_wrong_configurations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="says dims=3"):
        ChromaStore(index=IndexConfig(dims=3, embed="hashing"))
    with pytest.raises(BadInput, match="unknown embedder"):
        ChromaStore(index=IndexConfig(embed="nonesuch"))
    with pytest.raises(BadInput, match="names no embedder"):
        ChromaStore(index=IndexConfig(dims=3))
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be opened"):
        ChromaStore(tmp_path / "file")
    with NumpyStore() as store:
        for op in (SearchOp((), limit=-1), ListNamespacesOp(offset=-1)):
            with pytest.raises(BadInput, match="count from 0"):
                store.batch([op])
        with pytest.raises(BadInput, match="positive number of minutes"):
            store.put(("v",), "k", {}, ttl=0)
        with pytest.raises(BadInput, match="index must be False or"):
            NumpyStore(index=HASHING).put(("v",), "k", {}, index=[3])  # type: ignore[list-item]
