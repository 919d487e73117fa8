"""Iterative refinement: draft, criticise, rewrite, as long as that makes it better (Self-Refine, arXiv 2303.17651).

`n` chains of drafts grow side by side. A chain ends after `rounds` rewrites, when a refinement comes to nothing (the
critique finds nothing wrong, or the rewrite changes nothing), or when `patience` rewrites in a row did not raise the
chain's best score. Where the critique comes from is the refiner's business.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

SPARE = 2
"""Attempts at a first answer beyond those wanted, so that one that fails does not end a search before it begins."""


def is_alive(structure: ReasoningStructure, node: int) -> bool:
    """Whether a node is neither pruned nor failed."""
    return structure.steps[node].status in ("open", "terminal")


def first_answers(structure: ReasoningStructure, count: int, slots: int) -> list[Call]:
    """Calls that are missing for `count` first answers; those that failed or were pruned are made up for."""
    coming = structure.busy("generate", (ROOT,)) + sum(is_alive(structure, child) for child in structure.children[ROOT])
    missing = min(count - coming, count + SPARE - structure.attempts("generate", (ROOT,)), slots)
    return new_samples(structure, ROOT, missing)


def settle_values(structure: ReasoningStructure, slots: int, *, distinct: bool) -> list[Call] | None:
    """Calls that back up values, prune repetitions and score new nodes; `None` where none of that is to do."""
    if structure.unbacked:
        return [Call("backpropagate", (node,)) for node in structure.unbacked]
    if not structure.unscored:
        return None
    repeats = [node for node in structure.unscored if distinct and structure.repeats(node)]
    if repeats:
        return [Call("prune", (node,), reason="repeats a sibling") for node in repeats]
    return [Call("evaluate", (node,)) for node in list(structure.unscored)[:slots]]


class SelfRefine(Strategy):
    """Iterative refinement of whole solutions.

    Attributes:
        n: Chains of drafts.
        rounds: Most rewrites a chain.
        patience: Rewrites in a row that may fail to raise the chain's best score.
        distinct: Prune a first draft that repeats another word for word.
    """

    name: ClassVar[str] = "self-refine"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "evaluate"})
    n: int = Field(default=1, ge=1)
    rounds: int = Field(default=4, ge=0)
    patience: int = Field(default=1, ge=1)
    distinct: bool = True

    @override
    def limits(self) -> Limits:
        return Limits(1, self.n + SPARE, self.rounds + 1, ("generate", "refine"))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        settling = settle_values(structure, slots, distinct=self.distinct)
        if settling is not None:
            return settling
        calls = first_answers(structure, self.n, slots)
        for first in structure.children[ROOT]:
            if len(calls) >= slots:
                break
            drafts = self.drafts(structure, first)
            if self.goes_on(structure, drafts):
                calls.append(Call("refine", (drafts[-1],)))
        return calls

    def drafts(self, structure: ReasoningStructure, first: int) -> list[int]:
        """A chain, the first draft first."""
        chain = [first]
        while structure.children[chain[-1]]:
            chain.append(structure.children[chain[-1]][0])
        return chain

    def goes_on(self, structure: ReasoningStructure, drafts: list[int]) -> bool:
        """Whether the last draft of a chain should be rewritten now."""
        last = drafts[-1]
        if len(drafts) > self.rounds or structure.attempts("refine", (last,)) or not is_alive(structure, last):
            return False
        scores = [value for node in drafts if (value := structure.value(node)) is not None]
        if len(scores) < len(drafts):
            return False  # its score is on the way
        return len(scores) - 1 - scores.index(max(scores)) < self.patience
