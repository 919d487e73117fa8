"""How fast memories are found and written: ChromaStore beside LangGraph's in-memory store and Chroma by itself.

All hold the same items with the same vectors, which are given, so that no embedder is on anybody's bill; queries take
turns. Chroma by itself answers with ids and documents, as a program would use it; a store answers with items. Loaded in
bulk, a store has its records on the disk and its index caught up; Chroma has its own.

    python -m benchmarks.memory --sizes 1000 10000 100000
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from benchmarks.child import in_child
from benchmarks.report import Row, load, table

WIDTH = 256
FASTER, SLOWER, LOADED = 50.0, 1.5, 0.8
"""Targets: times as fast as InMemoryStore at 10,000; times as slow as Chroma there, at most; share of its bulk load."""
BATCH = 1000


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    return [row for size in ((1_000,) if quick else (1_000, 10_000, 100_000)) for row in _rows(size, quick)]


def _rows(size: int, quick: bool) -> list[Row]:
    run = in_child("benchmarks.memory:compare", size=size, queries=40 if quick else 200)
    p50 = {name: statistics.median(times) for name, times in run["search"].items()}
    p95 = {name: _percentile(times, 95) for name, times in run["search"].items()}
    shown = ", ".join(f"{name} {p50[name]:.2f}/{p95[name]:.2f}" for name in p50)
    target = size == 10_000
    share = run["load"]["ChromaStore"] / run["load"]["Chroma"]
    rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in run["load"].items())
    return [
        Row(
            f"memory search at {size:,}: InMemoryStore over ChromaStore",
            p50["InMemoryStore"] / p50["ChromaStore"],
            at_least=FASTER if target else None,
            note=f"p50/p95 ms: {shown}",
            details=run,
        ),
        Row(
            f"memory search at {size:,}: ChromaStore over Chroma",
            p50["ChromaStore"] / p50["Chroma"],
            at_most=SLOWER if target else None,
            note=f"found {run['recall']:.1%} of the exact ten",
        ),
        Row(f"memory bulk load of {size:,}: share of Chroma's", share, at_least=LOADED, note=f"items/s: {rates}"),
    ]


class Given(Embeddings):
    """Vectors by name; 64 loose clusters, as texts about a few subjects are."""

    def __init__(self, size: int) -> None:
        draw = np.random.default_rng(7)
        centres = draw.normal(size=(64, WIDTH))
        self.vectors = (centres[draw.integers(64, size=size)] + draw.normal(size=(size, WIDTH))).astype(np.float32)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of `text 0`, `text 1`, ...; ones for any other text, as a fingerprint asks for."""
        numbers = [int(text.split()[1]) if text.startswith("text ") else None for text in texts]
        return [[1.0] * WIDTH if n is None else self.vectors[n].tolist() for n in numbers]

    def embed_query(self, text: str) -> list[float]:
        """A vector near to one that is there."""
        number = int(text.split()[1])
        near = self.vectors[number] + np.random.default_rng(number).normal(size=WIDTH)
        numbers: list[float] = near.tolist()
        return numbers


def compare(size: int, queries: int) -> dict[str, Any]:
    """Milliseconds of each search, and items a second of each bulk load.

    Args:
        size: How many items.
        queries: How many searches of ten; of a store that scans in Python fewer where it is large.
    """
    from langgraph.store.memory import InMemoryStore

    from reflectree.memory import ChromaStore, NumpyStore

    given = Given(size)
    index: Any = {"dims": WIDTH, "embed": given, "fields": ["text"]}
    with tempfile.TemporaryDirectory() as folder:
        stores: dict[str, Any] = {
            "ChromaStore": ChromaStore(Path(folder) / "ours", index=index),
            "NumpyStore": NumpyStore(Path(folder) / "exact", index=index),
            "InMemoryStore": InMemoryStore(index=index),
        }
        plain = Plain(Path(folder) / "plain", given)
        rates = {name: size / _seconds(partial(fill, store, size)) for name, store in stores.items()}
        rates["Chroma"] = size / _seconds(partial(plain.fill, size))
        ask: dict[str, Callable[[str], list[str]]] = {name: _searching(store) for name, store in stores.items()}
        ask["Chroma"] = plain.search
        times: dict[str, list[float]] = {name: [] for name in ask}
        hits = 0
        for turn in range(queries + 3):
            query = f"near {(turn * 7919) % size}"
            found: dict[str, list[str]] = {}
            for name, search in ask.items():
                if name == "InMemoryStore" and turn >= max(8, min(queries, 300_000 // size)):
                    continue
                started = time.perf_counter()
                found[name] = search(query)
                if turn >= 3:  # the first ones load what is loaded lazily
                    times[name].append(1000 * (time.perf_counter() - started))
            hits += len(set(found["ChromaStore"]) & set(found["NumpyStore"]))
        for name in ("ChromaStore", "NumpyStore"):
            stores[name].close()
    return {"search": times, "load": rates, "recall": hits / 10 / (queries + 3)}


def fill(store: Any, size: int) -> None:
    """Put all items, in batches, and have the index caught up."""
    from langgraph.store.base import PutOp

    for start in range(0, size, BATCH):
        store.batch([PutOp(("memory",), str(n), _value(n)) for n in range(start, min(start + BATCH, size))])
    if follower := getattr(store, "_follower", None):
        follower.catch_up()


def _value(number: int) -> dict[str, Any]:
    return {"text": f"text {number}", "kind": "reflection", "reward": number % 10 / 10}


class Plain:
    """Chroma by itself: documents, vectors and one metadata field."""

    def __init__(self, folder: Path, given: Given) -> None:
        import chromadb
        from chromadb.config import Settings

        self._given = given
        client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        self._kept = client.create_collection(
            "plain", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )

    def fill(self, size: int) -> None:
        """Add all items in the same batches."""
        for start in range(0, size, BATCH):
            numbers = range(start, min(start + BATCH, size))
            self._kept.add(
                ids=[str(n) for n in numbers],
                embeddings=self._given.vectors[start : numbers.stop],
                documents=[f"text {n}" for n in numbers],
                metadatas=[{"namespace": "memory"} for _ in numbers],
            )

    def search(self, query: str) -> list[str]:
        """The ids of the ten nearest."""
        vector = np.asarray(self._given.embed_query(query), np.float32)
        return self._kept.query(query_embeddings=vector[None], n_results=10, include=["documents", "metadatas"])["ids"][
            0
        ]


def _searching(store: Any) -> Callable[[str], list[str]]:
    return lambda query: [item.key for item in store.search(("memory",), query=query, limit=10)]


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _percentile(times: Sequence[float], share: float) -> float:
    return float(np.percentile(times, share))


def main() -> int:
    """Measure the sizes asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000], metavar="N")
    parser.add_argument("--quick", action="store_true", help="fewer queries")
    options = parser.parse_args()
    print(table([row for size in options.sizes for row in _rows(size, options.quick)]))
    print(f"\n{load()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
