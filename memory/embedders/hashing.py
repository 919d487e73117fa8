"""Hashed words as an embedding: no model, no package, the same on every machine.

Words that are equal land in the same place and others seldom do, so shared words are what "near" means. It is for
tests and examples; it knows nothing of meaning.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
from langchain_core.embeddings import Embeddings

from reflectree.memory.values import clean

WORD = re.compile(r"\w+")


class HashingEmbeddings(Embeddings):
    """Signed feature hashing of lower-case words, scaled to unit length; a text without words is the zero vector.

    Args:
        dimension: Length of the vectors.
    """

    version = "1"

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension

    @property
    def name(self) -> str:
        """What a fingerprint calls it."""
        return "hashing"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text."""
        vector = np.zeros(self.dimension)
        for word in WORD.findall(clean(text).lower()):
            hashed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
            vector[hashed % self.dimension] += 1.0 if hashed >> 63 else -1.0
        length = float(np.linalg.norm(vector))
        return [float(part) for part in (vector / length if length else vector)]
