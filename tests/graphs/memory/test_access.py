from pathlib import Path

import pytest

from reflectree.graphs.memory.access import Memory, open_ledger
from reflectree.memory.ledger import Ledger
from reflectree.memory.reembedding import reembed
from reflectree.rlm_ops.errors import BadInput


def embedder_of(ledger: Ledger) -> str:
    assert ledger.index is not None
    return type(ledger.index.store.embeddings).__name__  # type: ignore[attr-defined]


def test_a_memory_is_opened_with_the_embedder_it_was_made_with(tmp_path: Path) -> None:
    Memory(open_ledger(tmp_path / "lessons", embedder="hashing")).close()
    again = open_ledger(tmp_path / "lessons")
    assert embedder_of(again) == "HashingEmbeddings"
    Memory(again).close()
    with pytest.raises(BadInput, match="re-embed"):
        open_ledger(tmp_path / "lessons", embedder="embedded")
    reembed(tmp_path / "lessons", "embedded")
    last = open_ledger(tmp_path / "lessons")
    assert embedder_of(last) == "EmbeddedEmbeddings"
    Memory(last).close()


def test_a_new_memory_has_the_embedded_model(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "lessons")
    assert embedder_of(ledger) == "EmbeddedEmbeddings"
    Memory(ledger).close()
