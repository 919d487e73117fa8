"""rStar-Math: tree search over steps of words and Python, each of which is run (Guan et al. 2025, arXiv 2501.04519).

A step is run before it is scored. One whose code fails is a failed step: it is neither scored nor expanded. A selected
node is expanded into all its children, side by side. How code is run, and who scores (the paper's process preference
model, or anybody else), is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, new_samples
from reflectree.rlm_ops.strategies.tree_policy import Formula, TreePolicy
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

CODE, RUN = "code", "run"
"""The variant of *generate* that writes a step with code, and that of *enrich* that runs it."""


class RStarMath(TreePolicy):
    """Code-verified tree search. Selection is `q + c * sqrt(ln N_p / N_c)`, formula `rstar`.

    Attributes:
        width: Children a node, the root's included.
        depth: Most steps on a path.
        iterations: Expansions, each of up to `width` steps: the most steps that are written is their product.
        code_errors: Failed steps in a row below a node (the root excepted) after which it gets no more.
        distinct: Prune a step that repeats a sibling word for word.
    """

    name: ClassVar[str] = "rstar-math"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "enrich", "evaluate"})
    formula: Formula = "rstar"
    c: float = Field(default=2.0, ge=0)
    width: int = Field(default=12, ge=1)
    depth: int = Field(default=16, ge=1)
    iterations: int = Field(default=48, ge=1)
    code_errors: int = Field(default=2, ge=1)
    distinct: bool = True

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return [("generate", CODE), ("enrich", RUN)]

    @override
    def limits(self) -> Limits:
        return Limits(self.width, self.width, self.depth)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        prunes, ready = self._look_over(structure)
        if prunes:
            return prunes
        if ready:
            return ready[: max(0, slots)]
        room = self._room(structure)
        if slots < 1 or room < 1 or not structure.openings[ROOT]:
            return []
        node = self.select(structure)
        if self._fails(structure, node):
            reason = f"{self.code_errors} code errors in a row"
            return [Call("backtrack", (node, structure.parents[node][0]), reason=reason)]
        missing = self.width - structure.attempts("generate", (node,))
        return new_samples(structure, node, min(slots, room, missing), CODE)

    def select(self, structure: ReasoningStructure) -> int:
        """The node to expand: from the root down along the best child that still has openings."""
        node = ROOT
        while not structure.is_open(node):
            node = self.best_child(structure, node)
        return node

    def _look_over(self, structure: ReasoningStructure) -> tuple[list[Call], list[Call]]:
        """What new steps want: to be pruned, or else to be run and then scored; an answer is only scored."""
        prunes, ready = [], []
        for node in structure.unscored:
            nodes = (node,)
            if structure.busy("enrich", nodes):
                continue
            if self.distinct and structure.repeats(node):
                prunes.append(Call("prune", nodes, reason="repeats a sibling"))
            elif structure.steps[node].status == "terminal" or node in structure.versions:
                ready.append(Call("evaluate", nodes, structure.next_index("evaluate", nodes)))
            elif ("enrich", nodes) in structure.failures:
                prunes.append(Call("prune", nodes, reason="its code could not be run"))
            else:
                ready.append(Call("enrich", nodes, structure.next_index("enrich", nodes), RUN))
        return prunes, ready

    def _room(self, structure: ReasoningStructure) -> int:
        """How many more steps may be written now; any call in flight may be one."""
        failed = sum(count for (op, _), count in structure.failures.items() if op == "generate")
        written = len(structure) - 1 + failed + structure.calls_in_flight
        return self.iterations * self.width - written

    def _fails(self, structure: ReasoningStructure, node: int) -> bool:
        """Whether the latest steps below a node failed, too many in a row; repetitions do not count."""
        if node == ROOT:
            return False
        failed = 0
        for child in reversed(structure.children[node]):
            status = structure.steps[child].status
            if status == "failed" and child in structure.versions:
                failed += 1
            elif status != "pruned":
                break
        return failed >= self.code_errors
