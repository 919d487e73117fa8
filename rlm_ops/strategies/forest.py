"""A forest: several trees from varied starts under one budget, which ends early once most of them agree.

Each tree is a nested run (variant `tree` of *generate*): a structure of its own whose answer comes back as one node. A
tree without an answer has no vote (sparse activation). Source: Forest-of-Thought, Bi et al. 2024 (arXiv 2412.09078).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

TREE = "tree"


class Forest(Strategy):
    """A forest of nested runs.

    Attributes:
        trees: How many trees.
        consensus: The share of all trees that must agree for the rest to be left out; `null` grows them all.
        judge_ties: Where the most frequent answers are equally frequent, score one node of each and take the better.
    """

    name: ClassVar[str] = "forest"
    trees: int = Field(default=4, ge=1)
    consensus: float | None = Field(default=0.5, ge=0, lt=1)
    judge_ties: bool = True

    @override
    def uses(self) -> frozenset[str]:
        return frozenset({"generate", "evaluate"}) if self.judge_ties else frozenset({"generate"})

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return (("generate", TREE),)

    @override
    def limits(self) -> Limits:
        return Limits(1, self.trees, 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        left = self.trees - structure.attempts("generate", (ROOT,))
        if left > 0:
            return new_samples(structure, ROOT, min(slots, left), TREE)
        if structure.busy("generate", (ROOT,)) or not self.judge_ties:
            return []
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        tied = [node for node in _leaders(structure) if node in structure.unscored]
        return [Call("evaluate", (node,)) for node in tied[:slots]]

    @override
    def stop(self, structure: ReasoningStructure) -> str | None:
        if self.consensus is not None:
            most = max(_votes(structure).values(), default=0)
            if most > self.consensus * self.trees:
                return "consensus"
        return super().stop(structure)


def _votes(structure: ReasoningStructure) -> Counter[str]:
    return Counter(normalise(structure.steps[node].answer or "") for node in structure.terminals)


def _leaders(structure: ReasoningStructure) -> list[int]:
    """One node of each answer that is given most often, where there are several such answers."""
    votes = _votes(structure)
    most = max(votes.values(), default=0)
    leaders: dict[str, int] = {}
    for node in structure.terminals:
        answer = normalise(structure.steps[node].answer or "")
        if votes[answer] == most:
            leaders.setdefault(answer, node)
    return list(leaders.values()) if len(leaders) > 1 else []
