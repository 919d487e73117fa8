"""What runs leave behind for later runs: records, recall, reflection and credit.

A name loads its module when it is first used, so that importing this costs no database and no embedder.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reflectree.memory.learning import Learning, take
    from reflectree.memory.ledger import Ledger
    from reflectree.memory.recall import Recall, Recaller, report
    from reflectree.memory.records import Concept, Experience, Origin, Reflection, Skill
    from reflectree.memory.reembedding import reembed
    from reflectree.memory.store import MemoryStore
    from reflectree.memory.stores import ChromaStore, NumpyStore, VectorStoreMemory

_WHERE = {
    "ChromaStore": "stores",
    "Concept": "records",
    "Experience": "records",
    "Learning": "learning",
    "Ledger": "ledger",
    "MemoryStore": "store",
    "NumpyStore": "stores",
    "Origin": "records",
    "Recall": "recall",
    "Recaller": "recall",
    "Reflection": "records",
    "Skill": "records",
    "VectorStoreMemory": "stores",
    "reembed": "reembedding",
    "report": "recall",
    "take": "learning",
}

__all__ = [
    "ChromaStore",
    "Concept",
    "Experience",
    "Learning",
    "Ledger",
    "MemoryStore",
    "NumpyStore",
    "Origin",
    "Recall",
    "Recaller",
    "Reflection",
    "Skill",
    "VectorStoreMemory",
    "reembed",
    "report",
    "take",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
