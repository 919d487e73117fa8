"""What a run is given as its memory: a ledger, and in whose name it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from langgraph.store.base import BaseStore, IndexConfig

from reflectree.memory.embedding import OWN
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Split
from reflectree.rlm_ops.errors import BadInput


@dataclass(frozen=True, slots=True)
class Memory:
    """A ledger and how a run uses it.

    Attributes:
        ledger: The records.
        scope: The family of tasks or environment this run belongs to, which its records carry.
        subject: Whom the run is about: a person, a customer, a document; records can be forgotten by it.
        split: The part of the task set the run's task belongs to. A run on a `test` task recalls, and writes nothing.
        learns: Whether the run writes at all.
        hand: What the run is shown in place of what it would recall, as it stands in a trace: a run inside another one
            is shown what that one was shown. It writes nothing.
    """

    ledger: Ledger
    scope: str = ""
    subject: str = ""
    split: Split = "train"
    learns: bool = True
    hand: tuple[dict[str, Any], ...] | None = None

    def __post_init__(self) -> None:
        if self.split not in ("train", "valid", "test"):
            raise BadInput(f"split={self.split!r}: use train, valid or test")

    @property
    def writes(self) -> bool:
        """Whether anything of the run may be written."""
        return self.learns and self.split != "test" and self.hand is None

    def close(self) -> None:
        """Close the index, where it is a store of ours."""
        close = getattr(self.ledger.index.store, "close", None) if self.ledger.index is not None else None
        if close is not None:
            close()

    @classmethod
    def of(cls, given: Any, *, oracle: bool = False) -> Memory:
        """The memory that was meant: itself, a ledger, a folder, or a LangGraph store for this process' own records.

        Raises:
            BadInput: It is none of these.
        """
        if isinstance(given, Memory):
            return given
        if isinstance(given, Ledger):
            return cls(given)
        if isinstance(given, str | os.PathLike):
            return cls(open_ledger(given, oracle=oracle))
        if isinstance(given, BaseStore):
            return cls(_ledger_of(given, oracle=oracle))
        raise BadInput(f"memory={given!r:.80}: give a folder, a Ledger, a LangGraph store, or a Memory of one of these")


_LEDGER = "_reflectree_ledger"
"""The attribute by which a store that was given to runs knows its ledger, as long as it lives itself."""
_SLOTTED: dict[int, tuple[BaseStore, Ledger]] = {}
"""Ledgers of stores that take no attribute, as LangGraph's InMemoryStore: kept, with the store, until the end."""


def _ledger_of(store: BaseStore, *, oracle: bool) -> Ledger:
    """The ledger of a store in this process: every run that is given the store goes on with the same."""
    _, ledger = _SLOTTED.get(id(store), (store, getattr(store, _LEDGER, None)))
    if not isinstance(ledger, Ledger):
        ledger = open_ledger(None, store=store, oracle=oracle)
        if hasattr(store, "__dict__"):
            setattr(store, _LEDGER, ledger)
        else:
            _SLOTTED[id(store)] = (store, ledger)
    ledger.oracle = oracle
    return ledger


def open_ledger(
    path: str | os.PathLike[str] | None,
    *,
    store: BaseStore | None = None,
    embedder: Any = OWN,
    oracle: bool = False,
) -> Ledger:
    """The ledger of a folder, with its index in the same folder; without one, both lie in this process.

    Args:
        path: The folder.
        store: The index, where it is another store.
        embedder: What embeds texts. Left out, it is what the folder was made with; a new one has the embedded model.
        oracle: Whether gold answers may be learnt from.
    """
    if store is None:
        from reflectree.memory import ChromaStore

        store = ChromaStore(path, index=cast("IndexConfig", {"embed": embedder, "fields": ["text"]}))
    from reflectree.memory.learning.trust import reviewer

    return Ledger(None if path is None else Path(path), store=store, oracle=oracle, review=reviewer())
