"""LLaMA-Berry: tree search over whole solutions whose values are places in one order, made of pairwise preferences.

Zhang et al. 2024, arXiv 2410.02884 (SR-MCTS with a pairwise preference model and the Enhanced Borda Count). A rollout
walks down from the first answer by UCT, rewrites the solution where it stops, and has the rewrite compared with its
parent, its siblings and some others.

No solution is scored by itself, so nothing is backed up in the structure: visits there stay 0, and conserved. What a
node is worth follows from all preferences known *now* (`standings`), since each new solution shifts the places of the
others; a visit is a solution in the node's subtree, or a call in flight there. Answers are selected by `borda`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas import uct
from reflectree.rlm_ops.operators.refine import is_spent
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.refinement import SPARE, first_answers, is_alive
from reflectree.rlm_ops.strategies.standings import Standings
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

COMPARE = "pairwise"
"""The variant of *evaluate* that compares two nodes."""


@dataclass(slots=True)
class Ledger:
    """What the strategy keeps in `structure.memo`.

    Attributes:
        standings: Who stands where.
        sizes: Solutions at and below each node.
        waiting: Nodes whose comparisons are not all settled, with the nodes they are to be compared with; `None` where
            those are not chosen yet.
    """

    standings: Standings = field(default_factory=Standings)
    sizes: list[int] = field(default_factory=list)
    waiting: dict[int, list[int] | None] = field(default_factory=dict)


class LlamaBerry(Strategy):
    """SR-MCTS with pairwise preferences.

    Attributes:
        rollouts: Most rewrites.
        max_children: Rewrites after which a node is fully explored, once one of them is worth more than the node.
        opponents: Further solutions a new one is compared with, spread over all there are.
        c: Exploration constant of UCT.
        alpha: Weight of a solution's place among all against its neighbours' verdict.
        gamma: Share of its best child's value in a node's.
        distinct: Prune a rewrite that repeats a sibling word for word.
    """

    name: ClassVar[str] = "llama-berry"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "evaluate"})
    rollouts: int = Field(default=16, ge=0)
    max_children: int = Field(default=2, ge=1)
    opponents: int = Field(default=3, ge=0)
    c: float = Field(default=1.4, ge=0)
    alpha: float = Field(default=0.9, ge=0, le=1)
    gamma: float = Field(default=0.1, ge=0, le=1)
    distinct: bool = True

    @override
    def variants(self) -> list[tuple[str, str]]:
        return [("evaluate", COMPARE)]

    @override
    def limits(self) -> Limits:
        # a node that no rewrite beats stays open, so only the rollouts bound its children
        most = max(1, self.rollouts)
        return Limits(most, 1 + SPARE, most + 1, ("generate", "refine"))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        ledger = self._ledger(structure)
        repeats = self._new_repeats(structure, ledger)
        if repeats:
            return [Call("prune", (node,), reason="repeats a sibling") for node in repeats]
        self._keep_waiting(structure, ledger)
        calls = self._comparisons(structure, ledger, slots) or first_answers(structure, 1, slots)
        if calls or slots < 1 or is_spent(structure, "refine", self.rollouts):
            return calls
        node = self.select(structure, ledger)
        return [] if node is None else [Call("refine", (node,), structure.next_index("refine", (node,)))]

    def opponents_of(self, structure: ReasoningStructure, node: int) -> list[int]:
        """Whom a node is compared with: its parent, its nearest older siblings, and others spread over all ids."""
        parent = structure.parents[node][0]
        older = [child for child in structure.children[parent] if child < node and is_alive(structure, child)]
        chosen = [*([parent] if parent else []), *older[-self.max_children :]]
        for turn in range(self.opponents):
            start = 1 + turn * (node - 1) // self.opponents
            for other in range(start, node):
                if other not in chosen and is_alive(structure, other):
                    chosen.append(other)
                    break
        return chosen

    def select(self, structure: ReasoningStructure, ledger: Ledger) -> int | None:
        """The solution to rewrite, from the first answer down along the best child that is settled.

        Only where all that is left below it is in flight the next best is entered; `None` where everything is.
        """
        values = ledger.standings.values(self.alpha, self.gamma)
        stack = [child for child in structure.children[ROOT] if self._is_settled(structure, ledger, child)][::-1]
        while stack:
            node = stack.pop()
            settled = [child for child in structure.children[node] if self._is_settled(structure, ledger, child)]
            if self._may_grow(structure, ledger, node, max((values[child] for child in settled), default=None), values):
                return node
            visits = ledger.sizes[node] + structure.virtual[node]
            scores = {
                child: uct(values[child], visits, ledger.sizes[child] + structure.virtual[child], self.c)
                for child in settled
            }
            stack.extend(sorted(settled, key=lambda child: (scores[child], -child)))
        return None

    def _may_grow(
        self, structure: ReasoningStructure, ledger: Ledger, node: int, best: float | None, values: list[float]
    ) -> bool:
        """Whether a node is not fully explored; with rewrites on the way that is not known yet."""
        if structure.attempts("refine", (node,)) < self.max_children:
            return True
        if structure.busy("refine", (node,)) or any(child in ledger.waiting for child in structure.children[node]):
            return False
        return best is None or best <= values[node]

    def _is_settled(self, structure: ReasoningStructure, ledger: Ledger, node: int) -> bool:
        return is_alive(structure, node) and node not in ledger.waiting

    def _comparisons(self, structure: ReasoningStructure, ledger: Ledger, slots: int) -> list[Call]:
        """The comparisons that nobody has asked for yet, the oldest node's first."""
        calls: list[Call] = []
        for node, opponents in ledger.waiting.items():
            for other in opponents or ():
                if len(calls) >= slots:
                    return calls
                if not structure.attempts("evaluate", (node, other)):
                    calls.append(Call("evaluate", (node, other), 0, COMPARE))
        return calls

    def _ledger(self, structure: ReasoningStructure) -> Ledger:
        """The memo, brought up to date."""
        ledger: Ledger | None = structure.memo.get(self.name)
        if ledger is None:
            ledger = structure.memo[self.name] = Ledger()
        sizes = ledger.sizes
        for node in range(len(sizes), len(structure)):
            sizes.append(0)
            for ancestor in structure.ancestors(node):
                sizes[ancestor] += 1
            if node:
                ledger.waiting[node] = None
        ledger.standings.update(structure)
        return ledger

    def _new_repeats(self, structure: ReasoningStructure, ledger: Ledger) -> list[int]:
        """New nodes that repeat a sibling; once they are pruned, nobody is compared with them."""
        new = [node for node, opponents in ledger.waiting.items() if opponents is None]
        return [node for node in new if self.distinct and is_alive(structure, node) and structure.repeats(node)]

    def _keep_waiting(self, structure: ReasoningStructure, ledger: Ledger) -> None:
        """Choose opponents for new nodes, and let go of those whose comparisons are settled."""
        for node, opponents in list(ledger.waiting.items()):
            if not is_alive(structure, node):
                del ledger.waiting[node]
                continue
            left = self.opponents_of(structure, node) if opponents is None else opponents
            ledger.waiting[node] = left
            while left and _is_compared(structure, node, left[0]):
                left.pop(0)
            if not left:
                del ledger.waiting[node]


def _is_compared(structure: ReasoningStructure, node: int, other: int) -> bool:
    """Whether a comparison is settled, be it that it failed."""
    pair = (node, other)
    return structure.attempts("evaluate", pair) > 0 and not structure.busy("evaluate", pair)
