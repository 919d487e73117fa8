"""What searches over designs have in common. A node is a whole design, its answer the design's data.

First designs come from *generate* at the root (index 0 is the seed), later ones from *refine* (an edit of one) and
*aggregate* (from several). The plain evaluation of a node is its mean over the validation examples; what else is
measured (a minibatch, a prediction) is an observation aside. A design that says what an older one says is pruned and
never paid for. Nothing here knows what a design holds, or any test example.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

MANY = 1 << 20
"""No limit: rounds and the budget end a search over designs."""
SPARE = 2
"""Attempts at a first design beyond those wanted."""
GROWN = ("generate", "refine", "aggregate")


def design_of(structure: ReasoningStructure, node: int) -> str:
    """What a node's design is compared by."""
    step = structure.steps[node]
    return step.answer if step.answer is not None else step.text


def repeated(structure: ReasoningStructure, node: int) -> int | None:
    """The oldest node whose design a node repeats, or `None`."""
    design = design_of(structure, node)
    return next((older for older in range(ROOT + 1, node) if design_of(structure, older) == design), None)


def is_alive(structure: ReasoningStructure, node: int) -> bool:
    """Whether a node is neither pruned nor failed."""
    return structure.steps[node].status in ("open", "terminal")


def measured(structure: ReasoningStructure) -> list[int]:
    """The designs that have a value, oldest first."""
    return [
        node for node in range(ROOT + 1, len(structure)) if structure.evaluations[node] and is_alive(structure, node)
    ]


def value_of(structure: ReasoningStructure, node: int) -> float:
    """The validation mean of a measured design."""
    value = structure.value(node)
    return 0.0 if value is None else value


def best_of(structure: ReasoningStructure, nodes: list[int]) -> int:
    """The node with the highest value, the older of equals."""
    return max(nodes, key=lambda node: (value_of(structure, node), -node))


def tried(structure: ReasoningStructure, op: Operator) -> int:
    """Settled calls of a growing operator, whatever they came to."""
    failed = sum(count for (of, _), count in structure.failures.items() if of == op)
    return structure.ops.count(op) + failed


def tournament(structure: ReasoningStructure, nodes: list[int], count: int, size: int, rng: Random) -> list[int]:
    """Up to `count` distinct winners, each the best of `size` drawn among those left."""
    left, winners = list(nodes), list[int]()
    while left and len(winners) < count:
        rivals = rng.sample(left, min(size, len(left)))
        winner = best_of(structure, rivals)
        winners.append(winner)
        left.remove(winner)
    return winners


class DesignStrategy(Strategy):
    """Base of searches over designs: measures what is new, makes the first designs, and leaves the rest to `grow`.

    Attributes:
        initial: First designs, the seed among them.
    """

    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "evaluate"})
    distinct: ClassVar[bool] = True
    """Whether a design that repeats another is pruned."""
    initial: int = Field(default=1, ge=1)

    @override
    def limits(self) -> Limits:
        return Limits(MANY, MANY, MANY, tuple(op for op in GROWN if op in self.uses()))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        if self.distinct and structure.unscored:
            pairs = [
                (node, repeated(structure, node)) for node in structure.unscored if not structure.evaluations[node]
            ]
            calls = [Call("prune", (node,), reason=f"repeats node {of}") for node, of in pairs if of is not None]
            if calls:
                return calls
        drops = self.drop(structure)
        if drops or slots < 1:
            return drops
        calls = self.measure(structure, slots)
        if calls:
            return calls[:slots]
        if not self._has_begun(structure):
            return self._first(structure, slots)
        return self.grow(structure, slots)[:slots]

    def drop(self, structure: ReasoningStructure) -> list[Call]:
        """Prunes that are due: pure calls alone."""
        return []

    def measure(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        """Evaluations that are due."""
        return [Call("evaluate", (node,)) for node in structure.unscored]

    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        """What to propose next, once the first designs are there and nothing waits to be measured."""
        raise NotImplementedError

    def _missing(self, structure: ReasoningStructure) -> int:
        """First designs that are still to be asked for."""
        first = [node for node in structure.offspring(ROOT, "generate") if is_alive(structure, node)]
        coming = len(first) + structure.busy("generate", (ROOT,))
        return min(self.initial - coming, self.initial + SPARE - structure.attempts("generate", (ROOT,)))

    def _has_begun(self, structure: ReasoningStructure) -> bool:
        """Whether the first designs are settled: those wanted are there, or no more attempts are left."""
        if any(op in ("refine", "aggregate") for op in structure.ops):
            return True
        if self._missing(structure) > 0 or structure.busy("generate", (ROOT,)):
            return False
        waiting = [n for n in structure.children[ROOT] if is_alive(structure, n) and not structure.evaluations[n]]
        return not waiting

    def _first(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        return new_samples(structure, ROOT, max(0, min(slots, self._missing(structure))))


__all__ = [
    "DesignStrategy",
    "best_of",
    "design_of",
    "is_alive",
    "measured",
    "repeated",
    "tournament",
    "tried",
    "value_of",
]
