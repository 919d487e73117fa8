"""Embedders by name, their vectors, and what tells one from another."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests

from reflectree.memory.embedders import EmbeddedEmbeddings, Fingerprint, HashingEmbeddings, embedder
from reflectree.memory.embedders.fingerprint import PROBE
from reflectree.rlm_ops.errors import BadInput


class TestHashing(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return HashingEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"dimension": 64}


class TestEmbedded(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return EmbeddedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {}


def fingerprint(embeddings: Embeddings) -> Fingerprint:
    return Fingerprint.of(embeddings, embeddings.embed_documents([PROBE])[0])


def test_the_embedded_one_knows_a_paraphrase_and_leaves_the_root_logger_alone() -> None:
    handlers = list(logging.getLogger().handlers)
    vectors = np.array(
        EmbeddedEmbeddings().embed_documents(["a cat sat on the mat", "a kitten rests on a rug", "tax law reform"])
    )
    assert logging.getLogger().handlers == handlers
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1])
    assert vectors[0] @ vectors[1] > 0.25 > 0.15 > vectors[0] @ vectors[2]


@pytest.mark.parametrize("embeddings", [HashingEmbeddings(), EmbeddedEmbeddings()], ids=["hashing", "embedded"])
def test_odd_texts_have_vectors_too(embeddings: Embeddings) -> None:
    vectors = np.array(embeddings.embed_documents(["", "lone \ud800", "a\x00b", "🌳" * 100, "word " * 100_000]))
    assert vectors.shape == (5, 256)
    assert np.isfinite(vectors).all()
    assert not vectors[0].any()


def test_one_text_has_one_vector_whatever_else_is_in_the_batch() -> None:
    embeddings = EmbeddedEmbeddings()
    together = embeddings.embed_documents(["short", "a much longer text than the other one " * 20])
    assert together[0] == embeddings.embed_query("short")


def test_a_fingerprint_survives_storage_and_tells_embedders_apart() -> None:
    ours = fingerprint(EmbeddedEmbeddings())
    assert Fingerprint.load(ours.dump()) == ours
    assert str(ours).startswith("wordllama/l2_supercat_256 0.4")
    assert not ours.agrees(fingerprint(HashingEmbeddings()))
    assert not fingerprint(HashingEmbeddings(64)).agrees(fingerprint(HashingEmbeddings(32)))
    nudged = Fingerprint("other name", "9", 256, "other", tuple(part + 1e-5 for part in ours.probe))
    assert ours.agrees(nudged)


def test_names_and_versions_are_read_off_any_embeddings() -> None:
    named = fingerprint(DeterministicFakeEmbedding(size=8))
    assert (named.name, named.dimension) == ("DeterministicFakeEmbedding", 8)
    assert named.version.startswith("1.")


def test_embedders_are_resolved_from_what_users_write() -> None:
    assert isinstance(embedder("embedded"), EmbeddedEmbeddings)
    assert isinstance(embedder("hashing"), HashingEmbeddings)
    assert embedder(lambda texts: [[1.0] for _ in texts]).embed_query("x") == [1.0]
    for given, words in [("nonesuch", "unknown embedder"), (3, "is a name"), ("nobody:model", "cannot be loaded")]:
        with pytest.raises(BadInput, match=words):
            embedder(given)
