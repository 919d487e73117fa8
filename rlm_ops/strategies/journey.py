"""Journey: a search, and then the way to its answer with the wrong turns left in, as one chain.

Source: O1 Replication Journey, Qin et al. 2024 (arXiv 2410.18982): a tree with step rewards, walked depth first into
one long thought that errs, notices, goes back and mends. The chain stands in the trace for training; the answer is the
search's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.backup import Backup
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.beam import Beam
from reflectree.rlm_ops.strategies.parse import AnyStrategy
from reflectree.rlm_ops.structure import ReasoningStructure


class Journey(Strategy):
    """A search whose tree is told as a journey.

    Attributes:
        search: The search; its own `confidence` decides when an answer ends it.
        failures: Most failed attempts told at each step; 0 tells the shortcut.
    """

    name: ClassVar[str] = "journey"
    search: AnyStrategy = Beam()
    failures: int = Field(default=1, ge=0)

    @override
    def uses(self) -> frozenset[str]:
        return self.search.uses()

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return self.search.variants()

    @property
    @override
    def backup_rule(self) -> Backup:
        return self.search.backup_rule

    @override
    def limits(self) -> Limits:
        return self.search.limits()

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if self.search.stop(structure) is None:
            calls = self.search.ask(structure, slots)
            if calls or structure.calls_in_flight or slots < 1:
                return calls
        elif structure.calls_in_flight:
            return []
        found = structure.best_terminal
        if found is None:
            found = next(iter(structure.terminals), None)
        if found is None or self._told(structure):
            return []
        return [Call("restructure", (found,), how=f"journey:{self.failures}", reason="the search is over")]

    @override
    def stop(self, structure: ReasoningStructure) -> str | None:
        return (self.search.stop(structure) or "complete") if self._told(structure) else None

    def _told(self, structure: ReasoningStructure) -> bool:
        return structure.ops[-1] == "restructure"
