"""An embedder from what a user writes: a name of ours, LangChain's `provider:model`, an `Embeddings`, a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings
from langgraph.store.base import ensure_embeddings

from reflectree.memory.embedders.embedded import EmbeddedEmbeddings
from reflectree.memory.embedders.hashing import HashingEmbeddings
from reflectree.rlm_ops.errors import BadInput

NAMES: dict[str, Callable[[], Embeddings]] = {"embedded": EmbeddedEmbeddings, "hashing": HashingEmbeddings}


def embedder(given: Any) -> Embeddings:
    """The embedder that `given` means.

    Args:
        given: `"embedded"`, `"hashing"`, `"provider:model"`, an `Embeddings`, or a (possibly async) function from
            texts to vectors.

    Raises:
        BadInput: None of these.
    """
    if isinstance(given, str) and given in NAMES:
        return NAMES[given]()
    if isinstance(given, str) and ":" not in given:
        raise BadInput(f"unknown embedder {given!r}: write {', '.join(NAMES)} or provider:model, or pass an Embeddings")
    if not isinstance(given, str | Embeddings) and not callable(given):
        raise BadInput(f"an embedder is a name, an Embeddings or a function, not {type(given).__name__}")
    known: Any = given
    try:
        return ensure_embeddings(known)
    except (ValueError, ImportError) as error:
        raise BadInput(f"the embedder {given!r} cannot be loaded: {error}") from error
