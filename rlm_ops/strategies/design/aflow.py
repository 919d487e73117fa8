"""AFlow: tree search over workflows with soft mixed-probability parents (arXiv 2410.10762).

A round draws a parent among the top designs (the first always among them) with `lambda / n + (1 - lambda) * softmax`,
asks for one edit of it (*refine*), and measures the child. Experience is the tree itself: a parent's children say what
was changed and whether it helped, and the agent that edits is shown them. An edit that makes a design there is already
is pruned unmeasured. The search ends after its rounds, or when the mean of the best has stood for some rounds.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas.design import draw_one
from reflectree.rlm_ops.formulas.scores import aflow_mixture
from reflectree.rlm_ops.strategies.design.base import DesignStrategy, is_alive, measured, tried, value_of
from reflectree.rlm_ops.structure import ReasoningStructure

TOLERANCE = 1e-9


class AFlow(DesignStrategy):
    """Tree search over designs, one edit a round.

    Attributes:
        rounds: Most rounds, failed ones included.
        top: Designs among which a parent is drawn, the first one included.
        uniform: Lambda, the share of the uniform distribution.
        alpha: Sharpness of the softmax over scores times 100.
        patience: Rounds without a change of the mean of the best after which the search ends; `None` goes on.
        best: How many designs that mean is of.
        parallel: Rounds under way at once; the paper has one.
    """

    name: ClassVar[str] = "aflow"
    rounds: int = Field(default=20, ge=0)
    top: int = Field(default=4, ge=1)
    uniform: float = Field(default=0.3, ge=0, le=1)
    alpha: float = Field(default=0.2, ge=0)
    patience: int | None = Field(default=5, ge=1)
    best: int = Field(default=3, ge=1)
    parallel: int = Field(default=1, ge=1)

    @override
    def stop(self, structure: ReasoningStructure) -> str | None:
        if self.patience is not None and self._standing(structure) >= self.patience:
            return "converged"
        return super().stop(structure)

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        under_way = structure.calls_in_flight
        left = min(self.rounds - tried(structure, "refine"), self.parallel) - under_way
        pool = measured(structure)
        if left < 1 or not pool:
            return []
        rivals = self.rivals(structure, pool)
        chances = aflow_mixture([value_of(structure, node) for node in rivals], self.uniform, self.alpha)
        parent = rivals[draw_one(chances, structure.rng("aflow parent"))]
        return [Call("refine", (parent,), structure.next_index("refine", (parent,)))]

    def rivals(self, structure: ReasoningStructure, pool: list[int]) -> list[int]:
        """Who may become a parent: the first design and the best of the others, best first."""
        others = sorted(pool[1:], key=lambda node: (-value_of(structure, node), node))
        return sorted([pool[0], *others[: self.top - 1]], key=lambda node: (-value_of(structure, node), node))

    def _standing(self, structure: ReasoningStructure) -> int:
        """Latest rounds in a row after which the mean of the best was what it was before."""
        values: list[float] = []
        means: list[float] = []
        for node in range(1, len(structure)):
            if not (structure.evaluations[node] or not is_alive(structure, node)):
                break  # still to be measured: what comes after it is not judged yet
            if structure.evaluations[node]:
                values = sorted([*values, value_of(structure, node)], reverse=True)[: self.best]
            means.append(sum(values) / len(values) if len(values) == self.best else -1.0)
        count = 0
        while count + 1 < len(means) and means[-1] >= 0 and abs(means[-1] - means[-2 - count]) <= TOLERANCE:
            count += 1
        return count


__all__ = ["AFlow"]
