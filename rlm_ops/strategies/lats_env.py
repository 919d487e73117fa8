"""LATS in an environment: tree search over commands, evaluated after what they bring about was seen (arXiv 2310.04406).

Selection, expansion, rollouts, backup and reflection are those of `reflectree.rlm_ops.strategies.mcts`. A new step is
first carried out (*enrich*), then evaluated with its observation. A step that repeats a sibling's command leads to the
same state and is pruned before anything is carried out; one that could not be carried out is pruned too. At the depth
cap an episode is ended where it stands, its commands so far being an answer. No score of the environment's is seen.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.commands import read_command
from reflectree.rlm_ops.strategies.base import new_calls
from reflectree.rlm_ops.strategies.episodes import END
from reflectree.rlm_ops.strategies.mcts import MCTS
from reflectree.rlm_ops.strategies.tree_policy import Formula
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


class LatsEnv(MCTS):
    """Monte Carlo tree search over commands; its parameters are those of `MCTS`, with the values of LATS.

    `distinct` prunes a step whose command is a sibling's.
    """

    name: ClassVar[str] = "lats-env"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "enrich", "evaluate"})
    width: int = Field(default=5, ge=1)
    root_width: int = Field(default=5, ge=1)
    depth: int = Field(default=7, ge=1)
    expand: Literal["one", "all", "together"] = "all"
    formula: Formula = "lats"
    c: float = Field(default=1.0, ge=0)
    own_visit: bool = False
    rollout: int = Field(default=4, ge=0)
    reflections: int = Field(default=3, ge=0)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return self._take_in(structure)
        if structure.unscored:
            lost = [call for node in structure.unscored if (call := self._lost(structure, node))]
            if lost:
                return lost
            calls = [call for node in structure.unscored if (call := self._toward_value(structure, node))]
            if calls:
                return calls[:slots]
        if slots < 1:
            return []
        if calls := self._beside(structure, slots):
            return calls
        if not structure.openings[ROOT]:
            return []
        node = self.select(structure)
        if self.expand != "one":
            return self._expand(structure, node, slots)
        return [Call("generate", (node,), structure.next_index("generate", (node,)))]

    def _lost(self, structure: ReasoningStructure, node: int) -> Call | None:
        """The pruning of a step that leads nowhere new, or could not be carried out."""
        if structure.steps[node].status != "open" or structure.busy("enrich", (node,)):
            return None
        if structure.attempts("enrich", (node,)):
            if node in structure.versions:
                return None
            return Call("prune", (node,), reason="the command could not be carried out")
        if self.distinct and _repeats(structure, node):
            return Call("prune", (node,), reason="repeats a sibling's command")
        return None

    def _toward_value(self, structure: ReasoningStructure, node: int) -> Call | None:
        """What a new step wants next: to be carried out, to be ended at the depth cap, to be evaluated."""
        nodes = (node,)
        if structure.busy("enrich", nodes):
            return None
        if structure.steps[node].status == "open":
            tried = structure.attempts("enrich", nodes)
            if not tried:
                return Call("enrich", nodes)
            if structure.depth[node] >= structure.depth_limit and tried < 2:
                return new_calls(structure, "enrich", nodes, 1, END)[0]
        if self.expand == "together" and self._misses_siblings(structure, node):
            return None
        return Call("evaluate", nodes)


def _repeats(structure: ReasoningStructure, node: int) -> bool:
    """Whether an older sibling gives the same command: in the same state it leads to the same."""
    command = read_command(structure.steps[node].text)
    siblings = structure.children[structure.parents[node][0]]
    return any(
        read_command(structure.steps[sibling].text) == command
        for sibling in siblings
        if sibling < node and structure.steps[sibling].status != "pruned"
    )
