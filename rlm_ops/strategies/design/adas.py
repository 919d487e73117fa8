"""ADAS: a growing archive of designs from which new ones are made (arXiv 2408.08435), with evolutionary parents.

A generation draws a few parents from the archive by tournament and asks for a new design in view of them
(*aggregate*). The paper shows its model the whole archive; a later study (arXiv 2510.06711) finds that worse than
ignoring it, and parents chosen by evolution better. A new design that scores next to nothing is repaired in place
(*refine*, `debug`), a few times. Everything measured stays in the archive.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import new_samples
from reflectree.rlm_ops.strategies.design.base import DesignStrategy, measured, tournament, tried, value_of
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

DEBUG = "debug"


class ADAS(DesignStrategy):
    """A growing archive.

    Attributes:
        initial: Designs the archive begins with.
        generations: New designs, failed ones included; repairs do not count.
        parents: Designs a new one is made in view of.
        tournament: Designs drawn for each parent, of which the best is taken; 1 draws parents blindly.
        debug: Most repairs of a design in a row.
        debug_below: Value below which a design is repaired.
    """

    name: ClassVar[str] = "adas"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "aggregate", "evaluate"})
    initial: int = Field(default=7, ge=1)
    generations: int = Field(default=30, ge=0)
    parents: int = Field(default=3, ge=2)
    tournament: int = Field(default=3, ge=1)
    debug: int = Field(default=3, ge=0)
    debug_below: float = Field(default=0.01, ge=0, le=1)

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.calls_in_flight:
            return []
        archive = measured(structure)
        repair = self._repair(structure, archive)
        if repair is not None:
            return [repair]
        anew = max(0, structure.attempts("generate", (ROOT,)) - self.initial)
        if not archive or tried(structure, "aggregate") + anew >= self.generations:
            return []
        if len(archive) < 2:
            return new_samples(structure, ROOT, 1)
        rng = structure.rng("adas parents")
        chosen = tournament(structure, archive, self.parents, self.tournament, rng)
        nodes = tuple(sorted(chosen, key=lambda node: (value_of(structure, node), -node)))
        return [Call("aggregate", nodes, structure.next_index("aggregate", nodes))]

    def _repair(self, structure: ReasoningStructure, archive: list[int]) -> Call | None:
        """A repair of a new design that scores next to nothing, unless it was tried or its line has had its repairs."""
        for node in archive:
            low = value_of(structure, node) < self.debug_below and structure.ops[node] != "generate"
            if low and not structure.attempts("refine", (node,)) and self._repairs(structure, node) < self.debug:
                return Call("refine", (node,), 0, DEBUG)
        return None

    def _repairs(self, structure: ReasoningStructure, node: int) -> int:
        """Repairs that led to a node."""
        count = 0
        while structure.hows[node] == DEBUG:
            count, node = count + 1, structure.parents[node][0]
        return count


__all__ = ["ADAS"]
