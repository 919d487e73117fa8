"""Monte Carlo tree search over steps: select, expand, evaluate, backpropagate, many at once.

Select descends from the root to the best child until it meets a node that is not full, counting calls in flight as
visits (WU-UCT, Liu et al. 2020, arXiv 1810.11755: they raise N, never lower Q), so that parallel calls spread. A
subtree with nothing left to add is closed: its `openings` are 0 and it is not entered. The search ends by budget, by
confidence, or when nothing is left to explore; a first terminal does not end it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas import puct, uct
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

NEUTRAL = 0.5
"""The mean of a node of which nothing is known yet."""


class MCTS(Strategy):
    """Monte Carlo tree search.

    Attributes:
        width: Children a node; `root_width` for the root, where diversity pays most.
        depth: Most steps on a path.
        formula: `puct` (AlphaZero; priors from log-probabilities where there are any, else uniform) or `uct`.
        c: Exploration constant: `c_init` of PUCT, `c` of UCT.
        c_base: PUCT's slow growth of exploration.
        unvisited: Q of a child without a value yet: its parent's mean (`parent`), 0 (`zero`), or 1 (`one`).
        distinct: Prune a step that repeats a sibling word for word.
    """

    name: ClassVar[str] = "mcts"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})
    width: int = Field(default=4, ge=1)
    root_width: int = Field(default=8, ge=1)
    depth: int = Field(default=12, ge=1)
    formula: Literal["puct", "uct"] = "puct"
    c: float = Field(default=1.25, ge=0)
    c_base: float = Field(default=19652.0, gt=0)
    unvisited: Literal["parent", "zero", "one"] = "parent"
    distinct: bool = True

    @override
    def limits(self) -> Limits:
        return Limits(self.width, self.root_width, self.depth)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        if structure.unscored:
            repeats = [node for node in structure.unscored if self.distinct and structure.repeats(node)]
            if repeats:
                return [Call("prune", (node,), reason="repeats a sibling") for node in repeats]
            return [Call("evaluate", (node,)) for node in list(structure.unscored)[:slots]]
        if slots < 1 or not structure.openings[ROOT]:
            return []
        node = self.select(structure)
        return [Call("generate", (node,), structure.next_index("generate", (node,)))]

    def select(self, structure: ReasoningStructure) -> int:
        """The node to expand: from the root down along the best child that still has openings."""
        node = ROOT
        while not structure.is_open(node):
            node = self.best_child(structure, node)
        return node

    def best_child(self, structure: ReasoningStructure, node: int) -> int:
        """The child with openings that the formula likes best; ties go to the older one."""
        openings, visits, virtual, sums = structure.openings, structure.visits, structure.virtual, structure.value_sum
        siblings = structure.children[node]
        parent_visits = visits[node] + virtual[node]
        unseen = self._unseen(structure, node)
        priors = structure.sibling_priors(node) if self.formula == "puct" else None
        # what puct multiplies a prior and 1 / (1 + N) by is the same for all siblings
        explore = puct(0.0, parent_visits, 0, 1.0, self.c, self.c_base)
        uniform = 1 / len(siblings)
        best, best_score = -1, float("-inf")
        for child in siblings:
            if not openings[child] or structure.steps[child].status != "open":
                continue
            seen = visits[child]
            q = sums[child] / seen if seen else unseen
            count = seen + virtual[child]
            if self.formula == "puct":
                score = q + explore * (uniform if priors is None else priors[child]) / (1 + count)
            else:
                score = uct(q, parent_visits, count, self.c)
            if score > best_score:
                best, best_score = child, score
        return best

    def _unseen(self, structure: ReasoningStructure, node: int) -> float:
        """Q of a child without a value yet."""
        if self.unvisited == "parent":
            visits = structure.visits[node]
            return structure.value_sum[node] / visits if visits else NEUTRAL
        return 0.0 if self.unvisited == "zero" else 1.0
