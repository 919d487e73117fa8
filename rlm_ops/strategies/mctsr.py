"""MCT Self-Refine: tree search in which a node is a whole solution and a move is a critique and a rewrite.

Zhang et al. 2024, arXiv 2406.07394. Each rollout takes, of all solutions that are not fully expanded, the one that UCB
likes best, gives it one more reward, rewrites it, scores the rewrite and backs its value up: half a node's own value,
half its best child's. The search ends after `rollouts`, by budget or by confidence; gold never ends it.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.backup import Backup
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.refine import is_spent
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.strategies.refinement import SPARE, first_answers, is_alive, settle_values
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

EPSILON = 1e-5
"""What keeps UCB finite at no visits (release)."""


class MCTSr(Strategy):
    """Monte Carlo tree self-refine.

    Attributes:
        rollouts: Most rewrites.
        max_children: Rewrites after which a node is fully expanded, once one of them is better than the node.
        c: Exploration constant of UCB.
        reward_scale: Values count in UCB as rewards from minus this to this. The release has 100, where exploration
            decides between near equals only; 0.5 gives it the weight it has over values in [0, 1].
        resample: Give a node one more reward each time it is chosen.
        dummy: Hold the task itself for a first answer "I don't know" of the lowest reward: rewriting that is
            answering afresh.
        distinct: Prune a rewrite that repeats a sibling word for word.
    """

    name: ClassVar[str] = "mctsr"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "evaluate"})
    rollouts: int = Field(default=16, ge=0)
    max_children: int = Field(default=3, ge=1)
    c: float = Field(default=1.4, ge=0)
    reward_scale: float = Field(default=100.0, gt=0)
    resample: bool = True
    dummy: bool = False
    distinct: bool = True

    @property
    @override
    def backup_rule(self) -> Backup:
        return Backup(rule="mctsr")

    @override
    def limits(self) -> Limits:
        # a node that no rewrite beats stays open, so only the rollouts bound its children
        most = max(1, self.rollouts)
        return Limits(most, most + 1 + SPARE, most + 1, ("generate", "refine"))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        settling = settle_values(structure, slots, distinct=self.distinct)
        if settling is not None:
            return settling
        first = first_answers(structure, 1, slots)
        if first or slots < 1 or self._is_spent(structure):
            return first
        node = self.select(structure)
        if node is None:
            return []
        if node == ROOT:
            return new_samples(structure, ROOT, 1)
        refined, scored = structure.attempts("refine", (node,)), structure.attempts("evaluate", (node,))
        calls = [Call("refine", (node,), structure.next_index("refine", (node,)))]
        if self.resample and scored < refined + 2:
            calls.insert(0, Call("evaluate", (node,), structure.next_index("evaluate", (node,))))
        return calls[:slots]

    def _is_spent(self, structure: ReasoningStructure) -> bool:
        """Whether all rollouts are begun; answering afresh, in place of the dummy, is one, too."""
        afresh = max(0, structure.attempts("generate", (ROOT,)) - 1) if self.dummy else 0
        return is_spent(structure, "refine", self.rollouts - afresh)

    def select(self, structure: ReasoningStructure) -> int | None:
        """The solution to rewrite, of those that are not fully expanded; the older one of equals, `None` if none is."""
        parents = _parents(structure)
        q = np.array(structure.backed, dtype=np.float64)
        best_child = np.full(len(q), -np.inf)
        np.maximum.at(best_child, parents[1:], np.where(np.isnan(q[1:]), -np.inf, q[1:]))
        # q is half the node's own value and half its best child's, so a child that beats it beats the node itself
        expanded = (np.bincount(parents[1:], minlength=len(q)) >= self.max_children) & (best_child > q)
        unknown = np.isnan(q)
        waiting = np.bincount(parents[unknown], minlength=len(q))
        score = np.where(unknown | expanded, -np.inf, self.ucb(structure, q, parents))
        score[ROOT] = self._dummy_score(structure, q) if self.dummy else -np.inf
        while score.size:
            node = int(np.argmax(score))
            if score[node] == -np.inf:
                return None
            if self._may_grow(structure, node, bool(best_child[node] <= q[node]), bool(waiting[node])):
                return node
            score[node] = -np.inf
        return None

    def ucb(self, structure: ReasoningStructure, q: npt.NDArray[Any], parents: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`formulas.mctsr_ucb` of all nodes, calls in flight counted as visits; NaN where nothing was backed up."""
        visits = np.array(structure.visits, dtype=np.float64) + np.array(structure.virtual)
        explore = np.sqrt(np.log(visits[parents] + 1.0) / (visits + EPSILON))
        return cast("npt.NDArray[Any]", self.reward_scale * (2.0 * q - 1.0) + self.c * explore)

    def _dummy_score(self, structure: ReasoningStructure, q: npt.NDArray[Any]) -> float:
        """UCB of "I don't know": the lowest reward and one visit by itself, and the answers given afresh since."""
        afresh = structure.children[ROOT][1:]
        known = [float(q[child]) for child in afresh if not np.isnan(q[child])]
        value = 0.5 * max(known, default=0.0)
        visits = 1 + sum(structure.visits[child] + structure.virtual[child] for child in afresh)
        total = structure.visits[ROOT] + structure.virtual[ROOT] + 1
        explore = self.c * float(np.sqrt(np.log(total + 1.0) / (visits + EPSILON)))
        return self.reward_scale * (2.0 * value - 1.0) + explore

    def _may_grow(self, structure: ReasoningStructure, node: int, unbeaten: bool, waits: bool) -> bool:
        """Whether a node is not fully expanded; with rewrites on the way that is not known yet."""
        if node == ROOT:
            return len(structure.children[ROOT]) - 1 + structure.busy("generate", (ROOT,)) < self.max_children
        if not is_alive(structure, node):
            return False
        if structure.attempts("refine", (node,)) < self.max_children:
            return True
        if structure.busy("refine", (node,)) or not unbeaten:
            return False
        children = structure.children[node] if waits else ()
        return not any(is_alive(structure, child) and not structure.evaluations[child] for child in children)


def _parents(structure: ReasoningStructure) -> npt.NDArray[np.int64]:
    """The primary parent of each node; the root is its own."""
    known: npt.NDArray[np.int64] = structure.memo.get("mctsr", np.array([ROOT]))
    if len(known) < len(structure):
        known = np.append(known, [parents[0] for parents in structure.parents[len(known) :]])
        structure.memo["mctsr"] = known
    return known
