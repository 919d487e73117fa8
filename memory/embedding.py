"""A store's embedder with its checks: right number, right length, finite; and the fingerprint kept with the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from langgraph.store.base import IndexConfig

from reflectree.memory.backends.index import Vector
from reflectree.memory.backends.table import ItemTable
from reflectree.memory.embedders.fingerprint import PROBE, Fingerprint
from reflectree.memory.embedders.resolve import embedder
from reflectree.memory.values import clean
from reflectree.rlm_ops.errors import BadInput

FINGERPRINT = "fingerprint"
FIELDS = "fields"
EPOCH = "epoch"
NAME = "embedder"
"""Notes in a table: who embedded it, which fields by default, how often it was embedded anew, and by which name."""
OWN = "own"
"""Means the embedder that a memory was made with, by the name it was given then; a new one has the embedded model."""


class Embedder:
    """Texts to checked float32 vectors.

    Args:
        config: LangGraph's index configuration; `dims` may be left out, and the embedder may be `OWN`.
        table: Where the fingerprint is kept. An asynchronous function is asked for it when first used.
    """

    def __init__(self, config: IndexConfig, table: ItemTable) -> None:
        if "embed" not in config:
            raise BadInput("index names no embedder: pass index={'embed': 'embedded'}")
        given = config["embed"]
        self._name = (table.meta(NAME) or "embedded") if given == OWN else given
        self.embeddings = embedder(self._name)
        self.fields = list(config.get("fields") or ["$"])
        self.dimension = config.get("dims")
        self._table = table
        self._known = False
        if not (hasattr(self.embeddings, "afunc") and not hasattr(self.embeddings, "func")):
            self._recognise(self.embeddings.embed_documents([PROBE]))

    def documents(self, texts: Sequence[str]) -> dict[str, Vector]:
        """A vector for each text."""
        self._require_known()
        unique = list(dict.fromkeys(texts))
        return self._checked(unique, self.embeddings.embed_documents(unique)) if unique else {}

    def queries(self, texts: Sequence[str]) -> dict[str, Vector]:
        """A vector for each query."""
        self._require_known()
        unique = list(dict.fromkeys(texts))
        return self._checked(unique, [self.embeddings.embed_query(clean(text)) for text in unique])

    async def adocuments(self, texts: Sequence[str]) -> dict[str, Vector]:
        """A vector for each text."""
        await self._arecognise()
        unique = list(dict.fromkeys(texts))
        return self._checked(unique, await self.embeddings.aembed_documents(unique)) if unique else {}

    async def aqueries(self, texts: Sequence[str]) -> dict[str, Vector]:
        """A vector for each query."""
        await self._arecognise()
        unique = list(dict.fromkeys(texts))
        return self._checked(unique, [await self.embeddings.aembed_query(clean(text)) for text in unique])

    def _require_known(self) -> None:
        if not self._known:
            raise BadInput("the embedder is an asynchronous function: use aput, asearch and abatch")

    async def _arecognise(self) -> None:
        if not self._known:
            self._recognise(await self.embeddings.aembed_documents([PROBE]))

    def _recognise(self, probe: Any) -> None:
        vector = self._checked([PROBE], probe)[PROBE]
        ours = Fingerprint.of(self.embeddings, vector.tolist())
        if self.dimension not in (None, ours.dimension):
            raise BadInput(f"index says dims={self.dimension} and the embedder {ours} gives {ours.dimension}")
        self.dimension = ours.dimension
        require_same(self._table, ours)
        with self._table.writing() if self._table.meta(FINGERPRINT) is None else _Nothing():
            if self._table.meta(FINGERPRINT) is None:
                self._table.note(FINGERPRINT, ours.dump())
                if isinstance(self._name, str):
                    self._table.note(NAME, self._name)
        require_same(self._table, ours)
        self._known = True

    def _checked(self, texts: Sequence[str], given: Any) -> dict[str, Vector]:
        name = type(self.embeddings).__name__
        if len(given) != len(texts):
            raise BadInput(f"the embedder {name} gave {len(given)} vectors for {len(texts)} texts")
        vectors = {}
        for text, numbers in zip(texts, given, strict=True):
            vector = np.asarray(numbers, np.float32)
            if vector.ndim != 1 or not vector.size or (self._known and vector.size != self.dimension):
                raise BadInput(f"the embedder {name} gave {vector.shape} numbers where {self.dimension} belong")
            if not np.isfinite(vector).all():
                raise BadInput(
                    f"the embedder {name} gave NaN or infinity for the text {text[:60]!r}: nothing is written"
                )
            vectors[text] = vector
        return vectors


def require_same(table: ItemTable, ours: Fingerprint) -> None:
    """Refuse to mix two embedders.

    Raises:
        BadInput: The table's vectors are of another one; the message names the command that embeds them anew.
    """
    if (kept := table.meta(FINGERPRINT)) and not (theirs := Fingerprint.load(kept)).agrees(ours):
        where = table.file.parent if table.file else "PATH"
        raise BadInput(
            f"the memory {where} was embedded by {theirs} and this is {ours}: run `reflectree memory re-embed {where}`"
        )


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...
