"""Chroma as a vector index: embedded, cosine, our own embeddings, and nothing else of it.

What it is not asked to do, because it does not do it (measured on 1.5.9): a second process keeps answering from the
index it loaded, so one process alone opens a folder; among 1,001 equal vectors 101 are not found, so the store scores
crowds of ties itself; a zero vector is ranked at distance 1, so none is stored; clients in memory share one database,
so each collection there has a name of its own. The server is never started: every release of it has CVE-2026-45829.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reflectree.memory.backends.index import Query, Row
from reflectree.rlm_ops.extras import require

SPACE = {"hnsw": {"space": "cosine"}}
"""Chroma's default is the squared Euclidean distance."""

_FAILED: set[str] = set()
"""Spellings of folders that could not be opened: Chroma keeps the half-started system under that name and gives it to
whoever opens the folder next, so the next one spells it differently."""


class ChromaIndex:
    """A collection whose metadata are ancestor keys: `d1: "a."`, `d2: "a.b."`, for Chroma has no prefix operator.

    Args:
        folder: Where Chroma keeps its files; `None` keeps everything in memory.
        name: Of the collection; all others in the folder are deleted (they are of an earlier embedder).
    """

    scoped = True

    def __init__(self, folder: Path | None, name: str = "memory") -> None:
        self._chroma = require("chromadb", "memory", "A memory on Chroma")
        self._folder = folder
        self._name = name if folder else f"{name}-{uuid.uuid4().hex}"
        self._client: Any = None
        try:
            self._open()
        except Exception:
            if folder is None:
                raise
            self.close()  # files of a crash or another version: they are a copy, so they may go
            shutil.rmtree(folder, ignore_errors=True)
            self._open()

    def add(self, rows: Sequence[Row]) -> None:
        """Take rows in; Chroma leaves one that is already there as it is."""
        step = int(self._client.get_max_batch_size())
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            self._collection.add(
                ids=[str(row.id) for row in part],
                embeddings=np.stack([row.vector for row in part]),
                metadatas=[_ancestors(row.path) for row in part],
            )

    def drop(self, ids: Sequence[int]) -> None:
        """Forget rows; unknown ids are no error."""
        step = int(self._client.get_max_batch_size())
        for start in range(0, len(ids), step):
            self._collection.delete(ids=[str(row) for row in ids[start : start + step]])

    def nearest(self, query: Query, k: int, prefix: str) -> list[int]:
        """At most `k` row ids, nearest first."""
        found = self._collection.query(
            query_embeddings=query.vector[None],
            n_results=k,
            where={f"d{prefix.count('.')}": prefix} if prefix else None,
            include=[],
        )
        return [int(row) for row in found["ids"][0]]

    def count(self) -> int:
        """How many rows it holds."""
        return int(self._collection.count())

    def clear(self) -> None:
        """Forget every row, and the dimension they had."""
        self._client.delete_collection(self._name)
        self._collection = self._create()

    def close(self) -> None:
        """Close the files; what was in memory is gone."""
        client, self._client = self._client, None
        if client is not None:
            if self._folder is None:
                client.delete_collection(self._name)
            client.close()

    def _open(self) -> None:
        settings = self._chroma.config.Settings(anonymized_telemetry=False)
        if self._folder is None:
            self._client = self._chroma.EphemeralClient(settings=settings)
        else:
            spelling = str(self._folder)
            while spelling in _FAILED:
                spelling += "/."
            try:
                self._client = self._chroma.PersistentClient(spelling, settings=settings)
            except Exception:
                _FAILED.add(spelling)
                raise
            for other in self._client.list_collections():
                if other.name != self._name:
                    self._client.delete_collection(other.name)
        self._collection = self._create()
        self._collection.count()

    def _create(self) -> Any:
        return self._client.get_or_create_collection(self._name, embedding_function=None, configuration=SPACE)


def _ancestors(path: str) -> dict[str, str]:
    labels = path.split(".")[:-1]
    return {f"d{depth}": ".".join(labels[:depth]) + "." for depth in range(1, len(labels) + 1)}
