"""EvoMAC: textual back-propagation through a team (arXiv 2410.16946).

Forward: the current design is measured. Backward: a reflection on the failed examples says which member caused the
failures (the textual gradient), and an update removes, revises, adds or rewires members; both are one *refine*
(`update`). The paper always goes on from the updated team, which is `follow: latest`; `follow: best` goes on from the
best so far. The answer is the best in either case.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.base import DesignStrategy, best_of, measured, tried
from reflectree.rlm_ops.structure import ReasoningStructure

UPDATE = "update"


class EvoMAC(DesignStrategy):
    """Measure, reflect, update, and again.

    Attributes:
        rounds: Most updates, failed ones included.
        follow: Which design the next update starts from: the `latest` measured (the paper's), or the `best`.
        patience: Updates of one design that may come to nothing before the search goes back to the best other one, or
            ends where there is none.
    """

    name: ClassVar[str] = "evomac"
    rounds: int = Field(default=10, ge=0)
    follow: Literal["latest", "best"] = "latest"
    patience: int = Field(default=3, ge=1)

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.calls_in_flight or tried(structure, "refine") >= self.rounds:
            return []
        pool = [node for node in measured(structure) if structure.attempts("refine", (node,)) < self.patience]
        if not pool:
            return []
        latest = max(measured(structure))
        node = latest if self.follow == "latest" and latest in pool else best_of(structure, pool)
        return [Call("refine", (node,), structure.next_index("refine", (node,)), UPDATE)]


__all__ = ["UPDATE", "EvoMAC"]
