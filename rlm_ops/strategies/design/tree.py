"""Monte Carlo tree search over designs: nodes are whole designs, edges are edits.

The root's children are first designs (*generate*; index 0 is the seed), every other node's children are edits of it
(*refine*). Selection descends by UCT on backed-up values, calls in flight counting as visits, to a design that may get
one more edit; its value is backed up along the edits that led to it. It differs from `mcts` in one thing: a design is
an answer, and may be edited all the same.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas.scores import uct
from reflectree.rlm_ops.strategies.base import Limits, new_calls
from reflectree.rlm_ops.strategies.design.base import SPARE, DesignStrategy, is_alive, tried
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


class DesignMCTS(DesignStrategy):
    """Monte Carlo tree search over designs.

    Attributes:
        iterations: Most edits, failed ones included.
        width: Edits a design.
        depth: Most edits in a row, plus one.
        c: UCT's weight of exploration; validation means lie close together, so it is small.
        parallel: Edits under way at once.
    """

    name: ClassVar[str] = "design-mcts"
    iterations: int = Field(default=30, ge=0)
    width: int = Field(default=4, ge=1)
    depth: int = Field(default=8, ge=1)
    c: float = Field(default=0.25, ge=0)
    parallel: int = Field(default=1, ge=1)

    @override
    def limits(self) -> Limits:
        return Limits(self.width, self.initial + SPARE, self.depth, ("refine",))

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        begun = tried(structure, "refine") + structure.calls_in_flight
        if begun >= self.iterations or structure.calls_in_flight >= self.parallel:
            return []
        node = self.select(structure)
        return [] if node == ROOT else new_calls(structure, "refine", (node,), 1)

    def select(self, structure: ReasoningStructure) -> int:
        """The design to edit; the root where none may be edited."""
        node = ROOT
        while node == ROOT or not structure.is_open(node):
            children = [c for c in structure.children[node] if structure.openings[c] and is_alive(structure, c)]
            if not children:
                return ROOT
            node = max(children, key=lambda child: (self._score(structure, child), -child))
        return node

    def _score(self, structure: ReasoningStructure, child: int) -> float:
        parent = structure.parents[child][0]
        total = structure.visits[parent] + structure.virtual[parent]
        return uct(structure.mean(child) or 0.0, total, structure.visits[child] + structure.virtual[child], self.c)


__all__ = ["DesignMCTS"]
