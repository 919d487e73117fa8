"""Texts to vectors: any LangChain `Embeddings`, one that ships in a package, and a hashing one for tests."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reflectree.memory.embedders.embedded import EmbeddedEmbeddings
    from reflectree.memory.embedders.fingerprint import Fingerprint
    from reflectree.memory.embedders.hashing import HashingEmbeddings
    from reflectree.memory.embedders.resolve import embedder

__all__ = ["EmbeddedEmbeddings", "Fingerprint", "HashingEmbeddings", "embedder"]

_WHERE = {
    "EmbeddedEmbeddings": "embedded",
    "Fingerprint": "fingerprint",
    "HashingEmbeddings": "hashing",
    "embedder": "resolve",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
