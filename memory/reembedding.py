"""Embeds a memory anew, by another embedder: every text from the values, then all vectors in one transaction."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from langgraph.store.base import IndexConfig

from reflectree.memory.backends.index import Vector
from reflectree.memory.backends.table import ItemTable
from reflectree.memory.embedders.fingerprint import PROBE, Fingerprint
from reflectree.memory.embedding import EPOCH, FIELDS, FINGERPRINT, NAME, Embedder
from reflectree.memory.folder import Folder
from reflectree.memory.texts import texts_of
from reflectree.memory.values import decode
from reflectree.rlm_ops.errors import BadInput

ALWAYS = float("-inf")


def reembed(path: str | PathLike[str], embedder: Any, *, fields: list[str] | None = None) -> int:
    """Replace all vectors of a memory; killed half way, the memory is as it was.

    Args:
        path: The memory's folder.
        embedder: The new one: a name, an `Embeddings` or a function, as `index={"embed": ...}` takes it.
        fields: New default fields; left out, the memory's own.

    Returns:
        How many texts were embedded.

    Raises:
        BadInput: It is no memory, or another process has it open.
    """
    folder = Folder(Path(path), create=False)
    try:
        if not folder.take_index():
            raise BadInput(f"the memory {path} is open in another process: close it, then embed it anew")
        return _reembed(folder.table, embedder, fields)
    finally:
        folder.close()


def _reembed(table: ItemTable, given: Any, fields: list[str] | None) -> int:
    default = fields or json.loads(table.meta(FIELDS) or '["$"]')
    scratch = ItemTable(None)  # the new embedder must not be measured against the old fingerprint
    try:
        new = Embedder(IndexConfig(embed=given), scratch)
        probe = new.documents([PROBE])[PROBE]
        print_ = Fingerprint.of(new.embeddings, probe.tolist())
        known: dict[str, Vector] = {}
        _embed_all(table, new, default, known)  # outside the transaction, for it may take minutes
        with table.writing():
            count = _embed_all(table, new, default, known, write=True)
            table.note(FINGERPRINT, print_.dump())
            table.note(NAME, given if isinstance(given, str) else "")
            table.note(FIELDS, json.dumps(default))
            table.note(EPOCH, str(int(table.meta(EPOCH) or "0") + 1))
    finally:
        scratch.close()
    return count


def _embed_all(
    table: ItemTable, new: Embedder, default: list[str], known: dict[str, Vector], write: bool = False
) -> int:
    """Embed every text that is not known yet; with `write`, put the vectors in place."""
    count = 0
    for row in list(table.items("", ALWAYS)) if write else table.items("", ALWAYS, page=256):
        texts = [text for _, text in texts_of(decode(row.value), _fields(table, row.id), default)]
        known |= new.documents([text for text in texts if text not in known])
        if write:
            vectors = [(text, known[text]) for text in texts if known[text].any()]
            table.set_vectors(row.id, row.namespace, vectors)
            table.run("UPDATE items SET vectors = ? WHERE id = ?", len(vectors), row.id)
            count += len(vectors)
    return count


def _fields(table: ItemTable, item: int) -> Any:
    return json.loads(table.rows("SELECT fields FROM items WHERE id = ?", item)[0][0])
