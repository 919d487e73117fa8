"""Recall: search the index, choose, render, and note what was shown so that its outcome can be credited.

A share of runs, the control arm, is shown nothing: what they would have been shown is noted as held back.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langgraph.store.base import Result, SearchOp

from reflectree.memory.ledger.index import Index
from reflectree.memory.ledger.ledger import Ledger
from reflectree.memory.recall.choosing import Scored, choose
from reflectree.memory.recall.rendering import rendered
from reflectree.memory.recall.settings import Recall
from reflectree.memory.records.kept import Kind
from reflectree.memory.records.kinds import KINDS
from reflectree.memory.records.texts import task_key
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

QUERY_LIMIT = 2_000
"""Characters of the task that are searched by."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What came of a recall.

    Attributes:
        shown: What the run is shown, best first.
        held: What it would have been shown, were it not of the control arm.
        control: Whether it is of the control arm.
        text: The block for a user turn, "" where nothing is shown.
    """

    shown: tuple[Scored, ...] = ()
    held: tuple[Scored, ...] = ()
    control: bool = False
    text: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of what is shown."""
        return tuple(scored.record.id for scored in self.shown)


def is_control(run: str, seed: int, share: float) -> bool:
    """Whether a run is of the control arm: a hash of its id and seed as a number in [0, 1) is below the share."""
    return _lot("control", run, seed) < share


def explores(run: str, seed: int, share: float) -> bool:
    """Whether a run may be shown what has not done well, drawn in the same way and independently."""
    return _lot("explore", run, seed) < share


def _lot(what: str, run: str, seed: int) -> float:
    digest = hashlib.sha256(f"{what}|{seed}|{run}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


class Recaller:
    """Recalls from a ledger.

    Args:
        ledger: The memory; it needs a store with an index.
        settings: What may be shown.

    Raises:
        BadInput: The ledger has no store.
    """

    def __init__(self, ledger: Ledger, settings: Recall | None = None) -> None:
        if ledger.index is None:
            raise BadInput("recall searches by meaning: open the ledger with a store, Ledger(path, store=...)")
        self.ledger = ledger
        self.settings = settings or Recall()
        self._index: Index = ledger.index

    def recall(self, task: Task | str, *, run: str, seed: int = 0, split: str = "train") -> Recalled:
        """What a run on this task is shown; on a test task nothing is noted, and there is no control arm.

        Args:
            task: The task.
            run: The run's id: with the seed it decides the arm, and its outcome is credited under it.
            seed: The run's seed.
            split: The part the task belongs to.
        """
        operations = self._operations(task)
        return self._note(self._index.store.batch(operations), task, run, seed, split)

    async def arecall(self, task: Task | str, *, run: str, seed: int = 0, split: str = "train") -> Recalled:
        """`recall`, without holding up the event loop."""
        found = await self._index.store.abatch(self._operations(task))
        return await asyncio.to_thread(self._note, found, task, run, seed, split)

    def _operations(self, task: Task | str) -> list[SearchOp]:
        said = task.prose if isinstance(task, Task) else task
        kinds: list[Kind] = [kind for kind in KINDS if self.settings.kinds.get(kind, 0)]
        return self._index.searches(said[:QUERY_LIMIT], kinds, self.settings.limit * self.settings.pool)

    def _note(self, found: Sequence[Result], task: Task | str, run: str, seed: int, split: str) -> Recalled:
        key = task_key(task)
        explore = explores(run, seed, self.settings.explore)
        picked = tuple(choose(self.ledger.state, _relevance(found), self.settings, key, explore))
        control = split != "test" and is_control(run, seed, self.settings.control)
        if split != "test" and picked:
            self.ledger.use(run, [scored.record.id for scored in picked], task=key, control=control, split=split)
        if control:
            return Recalled(held=picked, control=True)
        return Recalled(shown=picked, text=rendered([scored.record for scored in picked]))


def _relevance(found: Iterable[Result]) -> dict[str, float]:
    """Similarity by id, nearest first."""
    hits: dict[str, float] = {}
    for items in found:
        for item in items if isinstance(items, list) else ():
            value = getattr(item, "score", None)
            if value is None:
                raise BadInput("the store says nothing of similarity: give it an index, as ChromaStore has")
            hits[getattr(item, "key", "")] = float(value)
    return dict(sorted(hits.items(), key=lambda hit: (-hit[1], hit[0])))
