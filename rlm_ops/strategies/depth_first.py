"""Tree of Thoughts, depth first (Yao et al. 2023, arXiv 2305.10601, algorithm 2): the best child first, then back.

At a node all children are generated and evaluated, side by side; those below a threshold are pruned; the search enters
the best of the others. When none is left it goes back to the parent, as an event with its reason. The way it has come
is read off the structure: its cursor, and the nodes it has left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.backtrack import wants_backtrack
from reflectree.rlm_ops.operators.prune import normalised
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


class TreeOfThoughtsDFS(Strategy):
    """Tree of Thoughts, depth first. It goes on after an answer, until `confidence`, `most_nodes` or the end.

    Attributes:
        n_generate: Thoughts a node; `root_width` at the root, where diversity pays most.
        depth: Most thoughts on a path.
        threshold: Open nodes of a lower value are pruned; `None` prunes nothing.
        most_nodes: Nodes after which nothing more is generated (the paper takes 100 steps in its crosswords).
        generate: Thoughts are sampled independently (`sample`), or several in one reply (variant `propose`).
        evaluate: Nodes are valued one by one (`value`), or voted on among siblings (variant `vote`).
        distinct: Prune a step that says the same as a sibling, unscored.
    """

    name: ClassVar[str] = "tot-dfs"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})
    n_generate: int = Field(default=5, ge=1)
    root_width: int | None = Field(default=None, ge=1)
    depth: int = Field(default=10, ge=1)
    threshold: float | None = Field(default=0.3, ge=0, le=1)
    most_nodes: int = Field(default=100, ge=1)
    generate: Literal["sample", "propose"] = "sample"
    evaluate: Literal["value", "vote"] = "value"
    distinct: bool = True

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        asked = [("generate", "propose")] if self.generate == "propose" else []
        return asked + ([("evaluate", "vote")] if self.evaluate == "vote" else [])

    @override
    def limits(self) -> Limits:
        return Limits(self.n_generate, self.root_width or self.n_generate, self.depth)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        cursor = structure.cursor
        # where the way down from the cursor has led so far: its choices do not change, so it need not be walked again
        known, node = structure.memo.get(self.name, (-1, cursor))
        if known != cursor or node in structure.left:
            node = cursor
        while True:
            work = self._work(structure, node, slots)
            if work is not None:
                structure.memo[self.name] = (cursor, node)
                return work
            child = self._best_child(structure, node)
            if child is None:
                return self._go_back(structure, node)
            if structure.steps[child].status == "terminal":
                return [Call("backtrack", (child, node), reason="it holds an answer")]
            if structure.depth[child] >= self.depth:
                return [Call("backtrack", (child, node), reason=f"no answer in {self.depth} steps")]
            node = child

    def _work(self, structure: ReasoningStructure, node: int, slots: int) -> list[Call] | None:
        """What is still to do for the children of a node; `None` once they are complete and scored."""
        children, nodes = structure.children[node], (node,)
        new = [child for child in children if child in structure.unscored]
        if new and self.distinct:
            repeats = self._repeats(structure, children, new)
            if repeats:
                return [Call("prune", (child,), reason=f"says the same as node {of}") for child, of in repeats]
        busy = structure.busy("generate", nodes)
        room = self.most_nodes - (len(structure) - 1) - busy
        missing = min(room, structure.width_of(node) - structure.attempts("generate", nodes))
        if new and not (self.evaluate == "vote" and (busy or missing > 0)):
            how = "vote" if self.evaluate == "vote" else ""
            calls = [Call("evaluate", (child,), structure.next_index("evaluate", (child,)), how) for child in new]
            if slots > 0:
                return calls[:slots]
        if missing > 0:
            how = "propose" if self.generate == "propose" else ""
            return new_samples(structure, node, min(max(0, slots), missing), how)
        if new or busy or any(structure.busy("evaluate", (child,)) for child in children):
            return []
        return self._weak(structure, children)

    def _weak(self, structure: ReasoningStructure, children: list[int]) -> list[Call] | None:
        """Prunes of the open children below the threshold."""
        if self.threshold is None:
            return None
        weak = [
            Call("prune", (child,), reason=reason)
            for child in children
            if structure.steps[child].status == "open"
            and (reason := wants_backtrack(structure, child, self.threshold)) is not None
        ]
        return weak or None

    def _best_child(self, structure: ReasoningStructure, node: int) -> int | None:
        """The child of highest value that was neither pruned nor left; ties go to the older one."""
        best, best_value = None, -1.0
        for child in structure.children[node]:
            value = structure.value(child)
            if value is None or child in structure.left or structure.steps[child].status not in ("open", "terminal"):
                continue
            if value > best_value:
                best, best_value = child, value
        return best

    def _go_back(self, structure: ReasoningStructure, node: int) -> list[Call]:
        """Leave a node whose children are done with; the root is never left, and a search that is full just ends."""
        full = len(structure) - 1 >= self.most_nodes
        if node == ROOT or (full and not structure.attempts("generate", (node,))):
            return []
        reasons = [
            (value, reason)
            for child in structure.children[node]
            if structure.steps[child].status == "pruned"
            and self.threshold is not None
            and (reason := wants_backtrack(structure, child, self.threshold)) is not None
            and (value := structure.value(child)) is not None
        ]
        reason = max(reasons)[1] if reasons else "no children left"
        return [Call("backtrack", (node, structure.parents[node][0]), reason=reason)]

    def _repeats(self, structure: ReasoningStructure, children: list[int], new: list[int]) -> list[tuple[int, int]]:
        """Pairs of a new child and the older sibling it repeats."""
        said: dict[str, int] = {}
        for child in children:
            said.setdefault(normalised(structure.steps[child].text), child)
        pairs = [(child, said[normalised(structure.steps[child].text)]) for child in new]
        return [(child, of) for child, of in pairs if child != of]
