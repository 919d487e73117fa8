"""GEPA: reflective evolution of designs along a Pareto front over validation examples (arXiv 2507.19457).

The pool begins with the seed. An iteration draws a parent in proportion to the examples it leads, runs it on a
minibatch of training examples, has it edited with what was said about that run (*refine*), and runs the child on the
same minibatch. Only a child that is better there is measured on all validation examples and joins the pool; the others
are pruned.

Iterations come one after the other. Iteration k is written in the structure: the parent and its children have an
evaluation aside (`minibatch:k`, which says which examples) of index k, and the children were refined as `round-k`. An
iteration whose parent could not be measured comes to nothing.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas.design import draw_one, pareto_counts
from reflectree.rlm_ops.statistics import paired_bootstrap
from reflectree.rlm_ops.strategies.design.base import DesignStrategy, best_of, measured
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

MINIBATCH = "minibatch:"


class GEPA(DesignStrategy):
    """Reflective evolution along a Pareto front.

    Attributes:
        iterations: Most iterations, those that led to nothing included.
        proposals: Children an iteration, all of one parent.
        selector: How a parent is chosen: `pareto` (GEPA), or the `best` by its mean.
        accept: A child is better on the minibatch if its scores' sum is higher (`strict`, the paper's), or if the
            paired bootstrap of the difference lies above 0 (`paired`).
        certainty: Confidence of that bootstrap's interval.
        skip_perfect: A parent that is perfect on a minibatch is not edited for it.
        merges: Most merges of two designs of the front (*aggregate*), each after an accepted child; off in the paper.
    """

    name: ClassVar[str] = "gepa"
    iterations: int = Field(default=30, ge=0)
    proposals: int = Field(default=1, ge=1)
    selector: Literal["pareto", "best"] = "pareto"
    accept: Literal["strict", "paired"] = "strict"
    certainty: float = Field(default=0.8, gt=0, lt=1)
    skip_perfect: bool = True
    merges: int = Field(default=0, ge=0)

    @override
    def uses(self) -> frozenset[str]:
        return self.operators | {"aggregate"} if self.merges else self.operators

    @override
    def drop(self, structure: ReasoningStructure) -> list[Call]:
        """Children that are not better than their parent on its minibatch."""
        calls = []
        for node in structure.unscored:
            number = _round(structure, node)
            if number and structure.is_settled(Call("evaluate", (node,), number)):
                why = self._refused(structure, node)
                if why:
                    calls.append(Call("prune", (node,), reason=why))
        return calls

    @override
    def measure(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        calls = []
        for node in structure.unscored:
            number = _round(structure, node)
            trial = Call("evaluate", (node,), number, f"{MINIBATCH}{number}")
            if number and not structure.is_settled(trial):
                calls.append(trial)
            else:
                calls.append(Call("evaluate", (node,)))
        return calls

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        calls = self._more_proposals(structure)
        if calls or structure.calls_in_flight:
            return calls
        pool = measured(structure)
        number = self._current(structure) + 1
        if not pool:
            return []
        merge = self._merge(structure, pool)
        if merge is not None:
            return [merge]
        if number > self.iterations:
            return []
        return [Call("evaluate", (self._parent(structure, pool),), number, f"{MINIBATCH}{number}")]

    def _current(self, structure: ReasoningStructure) -> int:
        """The number of the latest iteration, 0 before the first."""
        latest = 0
        for node in range(ROOT + 1, len(structure)):
            free = set(structure.free_indices("evaluate", (node,), 1, self.iterations))
            latest = max((k for k in range(latest + 1, self.iterations + 1) if k not in free), default=latest)
        return latest

    def _more_proposals(self, structure: ReasoningStructure) -> list[Call]:
        """Edits of this iteration's parent that have not been asked for."""
        number = self._current(structure)
        parent = self._parent_of(structure, number)
        if parent is None or not structure.is_settled(Call("evaluate", (parent,), number)):
            return []
        scores = _scores(structure, parent, number)
        if not scores or (self.skip_perfect and min(scores) >= 1.0):
            return []
        first = (number - 1) * self.proposals
        free = structure.free_indices("refine", (parent,), first, self.proposals)
        return [Call("refine", (parent,), index, f"round-{number}") for index in free]

    def _parent_of(self, structure: ReasoningStructure, number: int) -> int | None:
        """The node that was the parent of an iteration."""
        for node in range(ROOT + 1, len(structure)) if number else ():
            call = Call("evaluate", (node,), number)
            if _round(structure, node) != number and (structure.is_settled(call) or structure.is_in_flight(call)):
                return node
        return None

    def _parent(self, structure: ReasoningStructure, pool: list[int]) -> int:
        """A parent for the next iteration."""
        if self.selector == "best":
            return best_of(structure, pool)
        rows = [structure.scores.get((node, ""), (structure.value(node) or 0.0,)) for node in pool]
        if len({len(row) for row in rows}) > 1:  # measured on different examples: nothing to compare one by one
            return best_of(structure, pool)
        return pool[draw_one(pareto_counts(rows), structure.rng("gepa parent"))]

    def _refused(self, structure: ReasoningStructure, node: int) -> str | None:
        """Why a child is not accepted, or `None`."""
        number = _round(structure, node)
        mine, theirs = (_scores(structure, one, number) for one in (node, structure.parents[node][0]))
        if not mine:
            return "it could not be measured on the minibatch"
        if len(mine) != len(theirs):
            return "it was measured on other examples than its parent"
        if self.accept == "strict":
            better = sum(mine) > sum(theirs) + 1e-9
        else:
            better = paired_bootstrap(mine, theirs, self.certainty, 2000).low > 0
        return None if better else "no better than its parent on the minibatch"

    def _merge(self, structure: ReasoningStructure, pool: list[int]) -> Call | None:
        """A merge of two designs of the front, one for each accepted child so far."""
        merged = [node for node in range(len(structure)) if structure.ops[node] == "aggregate"]
        failed = sum(count for (op, _), count in structure.failures.items() if op == "aggregate")
        accepted = [node for node in pool if structure.ops[node] == "refine"]
        if len(merged) + failed >= min(self.merges, len(accepted)):
            return None
        rows = [structure.scores.get((node, ""), (structure.value(node) or 0.0,)) for node in pool]
        if len({len(row) for row in rows}) > 1:
            return None
        front = [node for node, count in zip(pool, pareto_counts(rows), strict=True) if count]
        pairs = [
            (a, b)
            for a in front
            for b in front
            if a < b and a not in structure.ancestors(b) and not structure.attempts("aggregate", (a, b))
        ]
        return Call("aggregate", structure.rng("gepa merge").choice(pairs)) if pairs else None


def _round(structure: ReasoningStructure, node: int) -> int:
    """The iteration that made a child; 0 for first designs and merges."""
    how = structure.hows[node]
    return int(how.removeprefix("round-")) if how.startswith("round-") and how[6:].isdigit() else 0


def _scores(structure: ReasoningStructure, node: int, number: int) -> tuple[float, ...]:
    """What a node was worth on a minibatch, one number an example; empty where that is not known."""
    key = (node, f"{MINIBATCH}{number}")
    if key not in structure.asides:
        return ()
    return structure.scores.get(key) or (structure.asides[key],)


__all__ = ["GEPA", "MINIBATCH"]
