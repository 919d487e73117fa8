"""The embedder that ships in a package: wordllama's 256 static dimensions, from its wheel, without a network.

The weights and the tokenizer are read from the package's folder and its code is not imported: its own loader looks for
the tokenizer in a folder that the wheel does not have, downloads it then, and sets up the root logger on import. A
text's vector is the mean of its tokens' vectors, as wordllama computes it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from reflectree.memory.values import clean
from reflectree.rlm_ops.errors import MissingExtra
from reflectree.rlm_ops.extras import require

PURPOSE = "The embedder `embedded`"
MAX_CHARACTERS = 65_536
"""Of a longer text the beginning is embedded: a mean over more tokens says nothing of any part."""


class EmbeddedEmbeddings(Embeddings):
    """Static word-piece vectors (MIT), 17,000 sentences a CPU second; loaded when first used.

    Raises:
        MissingExtra: wordllama is not installed.
    """

    name = "wordllama/l2_supercat_256"
    dimension = 256

    def __init__(self) -> None:
        _folder()

    @property
    def version(self) -> str:
        """The package's version: the weights ship with it."""
        return importlib.metadata.version("wordllama")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One unit vector a text; a text without tokens is the zero vector."""
        tokenizer, weights = _loaded()
        vectors = []
        for start in range(0, len(texts), 256):
            part = [clean(text[:MAX_CHARACTERS]) for text in texts[start : start + 256]]
            encoded = tokenizer.encode_batch(part, add_special_tokens=False)
            vectors += [_mean(weights, encoding.ids) for encoding in encoded]
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text."""
        return self.embed_documents([text])[0]


def _mean(weights: NDArray[np.float32], ids: list[int]) -> list[float]:
    if not ids:
        return [0.0] * weights.shape[1]
    mean = weights[np.minimum(ids, len(weights) - 1)].mean(axis=0)
    length = float(np.linalg.norm(mean))
    vector: list[float] = (mean / length if length else mean).tolist()
    return vector


def _folder() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(f"{PURPOSE} needs wordllama, which is not installed: pip install 'reflectree[memory]'")
    return Path(next(iter(spec.submodule_search_locations)))


@lru_cache(maxsize=1)
def _loaded() -> tuple[Any, NDArray[np.float32]]:
    """Tokenizer and matrix (32,000 x 256), once a process."""
    folder = _folder()
    tokenizers = require("tokenizers", "memory", PURPOSE)
    safetensors = require("safetensors.numpy", "memory", PURPOSE)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    weights = safetensors.load_file(str(folder / "weights" / "l2_supercat_256.safetensors"))["embedding.weight"]
    return tokenizer, np.ascontiguousarray(weights, np.float32)
