"""Which embedder made a memory's vectors, so that another one's are never compared with them.

Vectors of two embedders share no space: a search across them is noise that looks like an answer. What decides is the
vector of one fixed text; name and version are for the message.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

PROBE = "A reflection tree: 3 steps, 2 branches, 1 answer. Überprüfe das Ergebnis!"
"""Embedded once by every embedder."""
NEAR = 0.999
"""Cosine of two probes of one embedder, at least: services and processors differ in late decimals."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Name, version, dimension and the probe's vector, with a digest of it to show."""

    name: str
    version: str
    dimension: int
    digest: str
    probe: tuple[float, ...]

    @classmethod
    def of(cls, embeddings: Embeddings, probe: Sequence[float]) -> Fingerprint:
        """The fingerprint of an embedder whose vector of `PROBE` is `probe`."""
        rounded = tuple(round(float(part), 5) for part in probe)
        digest = hashlib.sha256(json.dumps(rounded).encode()).hexdigest()[:12]
        return cls(_name(embeddings), _version(embeddings), len(rounded), digest, rounded)

    def agrees(self, other: Fingerprint) -> bool:
        """Whether both are the same embedder."""
        if self.dimension != other.dimension or self.digest == other.digest:
            return self.dimension == other.dimension
        ours, theirs = np.array(self.probe), np.array(other.probe)
        lengths = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
        return bool(lengths and float(ours @ theirs) / lengths >= NEAR)

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip() + f" ({self.dimension} dimensions, {self.digest})"

    def dump(self) -> str:
        """As JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Fingerprint:
        """What `dump` wrote."""
        read: dict[str, Any] = json.loads(text)
        return cls(**{**read, "probe": tuple(read["probe"])})


def _name(embeddings: Embeddings) -> str:
    for attribute in ("name", "model", "model_name", "model_id"):
        if isinstance(name := getattr(embeddings, attribute, None), str) and name:
            return name
    function = getattr(embeddings, "func", None) or getattr(embeddings, "afunc", None)
    return str(getattr(function, "__qualname__", type(embeddings).__qualname__))


def _version(embeddings: Embeddings) -> str:
    if isinstance(version := getattr(embeddings, "version", None), str):
        return version
    package = type(embeddings).__module__.split(".")[0]
    try:
        return importlib.metadata.version(package.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        return ""
