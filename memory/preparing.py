"""What a batch needs before the table is touched: operations checked, values encoded, texts embedded.

Embedding may take seconds and may fail; done first, a batch that fails has written nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from langgraph.store.base import GetOp, IndexConfig, ListNamespacesOp, Op, PutOp, SearchOp, validate_op_namespace

from reflectree.memory import filters
from reflectree.memory.backends.index import Vector
from reflectree.memory.backends.table import ItemTable
from reflectree.memory.embedding import EPOCH, FIELDS, FINGERPRINT, Embedder
from reflectree.memory.namespaces import storable, written
from reflectree.memory.texts import texts_of
from reflectree.memory.values import encode
from reflectree.rlm_ops.errors import BadInput


@dataclass(slots=True)
class Put:
    """One write; `value` None deletes. `ttl` is in minutes."""

    path: str
    key: str
    value: str | None
    fields: str = "null"
    ttl: float | None = None
    texts: list[tuple[str, str]] = field(default_factory=list)
    vectors: list[tuple[str, Vector]] = field(default_factory=list)


@dataclass(slots=True)
class Prepared:
    """A batch that can be carried out. Of several writes to one key the last counts, in the place of the first."""

    ops: Sequence[Op]
    puts: list[Put]
    queries: dict[str, Vector] = field(default_factory=dict)


class Preparing:
    """Checks and embeds batches for one table; `embedder` is `None` for a store that does not search by meaning."""

    def __init__(self, table: ItemTable, index: IndexConfig | None) -> None:
        self._table = table
        self.embedder = Embedder(index, table) if index else None
        self.epoch = table.meta(EPOCH) or "0"
        if self.embedder and table.meta(FIELDS) is None:
            with table.writing():
                table.note(FIELDS, json.dumps(self.embedder.fields))

    def __call__(self, ops: Sequence[Op]) -> Prepared:
        """A batch, embedded."""
        prepared, queries = self._checked(ops)
        if self.embedder:
            prepared.queries = self.embedder.queries(queries) if queries else {}
            _fill(prepared, self.embedder.documents(texts) if (texts := _texts(prepared)) else {})
        return prepared

    async def asynchronously(self, ops: Sequence[Op]) -> Prepared:
        """The same, with the embedder awaited."""
        prepared, queries = self._checked(ops)
        if self.embedder:
            prepared.queries = await self.embedder.aqueries(queries) if queries else {}
            _fill(prepared, await self.embedder.adocuments(texts) if (texts := _texts(prepared)) else {})
        return prepared

    def require_current(self) -> None:
        """Refuse to go on with vectors that another process has replaced.

        Raises:
            BadInput: The memory was embedded anew since it was opened.
        """
        if (self._table.meta(EPOCH) or "0") != self.epoch:
            raise BadInput(f"the memory {self._table.file} was embedded anew since it was opened: open it again")

    def _checked(self, ops: Sequence[Op]) -> tuple[Prepared, list[str]]:
        puts: dict[tuple[str, str], Put] = {}
        queries = []
        for op in ops:
            if not isinstance(op, GetOp | SearchOp | PutOp | ListNamespacesOp):
                raise BadInput(f"unknown operation {type(op).__name__}: use Get, Search, Put or ListNamespaces")
            validate_op_namespace(op)
            if isinstance(op, PutOp):
                put = self._put(op)
                puts[put.path, put.key] = put
            elif isinstance(op, SearchOp | ListNamespacesOp):
                if op.limit < 0 or op.offset < 0:
                    raise BadInput(f"limit and offset count from 0, not {op.limit} and {op.offset}")
                if isinstance(op, SearchOp):
                    filters.check(op.filter)
                    queries += [op.query] if op.query else []
        return Prepared(ops, list(puts.values())), queries

    def _put(self, op: PutOp) -> Put:
        if not op.namespace:
            raise BadInput("an item's namespace has at least one label, as in ('memories',)")
        path, key = written(op.namespace), storable(op.key, "a key")
        if op.value is None:
            return Put(path, key, None)
        if op.ttl is not None and not op.ttl > 0:
            raise BadInput(f"a time to live is a positive number of minutes, not {op.ttl}")
        if not self.embedder and self._table.meta(FINGERPRINT):
            raise BadInput(
                f"the memory {self._table.file} is searched by meaning, so writing needs its embedder: pass index=..."
            )
        value = encode(op.value)
        default = self.embedder.fields if self.embedder else []
        fields = op.index if op.index is None or op.index is False else list(op.index)
        texts = texts_of(op.value, op.index, default) if self.embedder else []
        return Put(path, key, value, json.dumps(fields), op.ttl, texts)


def _texts(prepared: Prepared) -> list[str]:
    return [text for put in prepared.puts for _, text in put.texts]


def _fill(prepared: Prepared, vectors: dict[str, Vector]) -> None:
    """A zero vector is near to nothing, and Chroma would rank it in the middle: such a text is not indexed."""
    for put in prepared.puts:
        put.vectors = [(text, vectors[text]) for _, text in put.texts if vectors[text].any()]
