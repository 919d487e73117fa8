"""Which texts of a value are embedded: LangGraph's index fields, per store or per put.

It reads values only; how texts become vectors is the embedder's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langgraph.store.base import get_text_at_path, tokenize_path

from reflectree.memory.values import clean, plain
from reflectree.rlm_ops.errors import BadInput

Fields = Literal[False] | Sequence[str] | None
"""LangGraph's `index` of a put: nothing, these paths, or (None) the store's own."""


def texts_of(value: Mapping[str, Any], fields: Fields, default: Sequence[str]) -> list[tuple[str, str]]:
    """The texts to embed, each with its path; empty ones are left out.

    Args:
        value: The item's value.
        fields: What the put asked for; `None` means the default.
        default: The store's fields; `["$"]` is the whole value as JSON text.

    Raises:
        BadInput: Fields that are neither False nor paths.
    """
    if fields is False:
        return []
    paths = default if fields is None else fields
    if isinstance(paths, str) or not all(isinstance(path, str) for path in paths):
        raise BadInput(f"index must be False or a list of field paths, not {fields!r}")
    readable = plain(value)
    found = []
    for path in paths:
        texts = get_text_at_path(readable, "$" if path == "$" else tokenize_path(path))
        several = len(texts) > 1
        found += [(f"{path}.{n}" if several else path, clean(text)) for n, text in enumerate(texts) if text]
    return found
