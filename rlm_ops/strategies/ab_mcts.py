"""AB-MCTS-A: adaptive branching, wider or deeper by Thompson sampling.

Source: Inoue et al. 2025 (arXiv 2503.04412); release TreeQuest. At each node on the way down a reward is drawn for GEN
(one more child: wider) and one for CONT (on with a child there is: deeper), each from what scores so far let believe.
Branching has no bound but `max_nodes`. Nodes are whole solutions: the root generates, and a child of a solution is its
refinement; or, without `refine`, steps.

It knows what operators are called with and never what they write.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.formulas.posteriors import Beta, Gaussian
from reflectree.rlm_ops.strategies.ab_tally import WIDE, Prior, Sums, Tally, draw, draw_many
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

UNBOUNDED = 1 << 20


class ABMCTS(Strategy):
    """Adaptive branching Monte Carlo tree search.

    Attributes:
        refine: Below the root refine (nodes are whole solutions); else generate (nodes are steps).
        arms: Variants of *generate* (and of *refine*), such as several models, between which Thompson sampling chooses
            too; the plain settings where none is named.
        learn_arms: What is known of a variant: its scores in the whole `tree` (the release), or those of the children
            of the `node` alone.
        max_nodes: Most nodes, attempts that failed included; `None` leaves it to the budget.
        depth: Most nodes on a path.
        prior: What is believed before any score: `gaussian` (with `mean`, `kappa`, `nu`, `tau2`) or `beta` (`a`, `b`).
        failures: Failed attempts a child, one more than it has, after which a node is left.
        distinct: Prune a node that repeats a sibling word for word; it counts as a score of 0 for GEN.
    """

    name: ClassVar[str] = "ab-mcts"
    refine: bool = True
    arms: tuple[str, ...] = ()
    learn_arms: Literal["tree", "node"] = "tree"
    max_nodes: int | None = Field(default=256, ge=1)
    depth: int = Field(default=64, ge=1)
    prior: Literal["gaussian", "beta"] = "gaussian"
    mean: float = 0.0
    kappa: float = Field(default=1.0, gt=0)
    nu: float = Field(default=1.0, gt=0)
    tau2: float = Field(default=0.1, gt=0)
    a: float = Field(default=0.5, gt=0)
    b: float = Field(default=0.5, gt=0)
    failures: int = Field(default=3, ge=1)
    distinct: bool = True

    @override
    def uses(self) -> frozenset[str]:
        return frozenset({"generate", "evaluate", "refine"} if self.refine else {"generate", "evaluate"})

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return [(op, arm) for op in sorted(self.uses() - {"evaluate"}) for arm in self.arms]

    @property
    def belief(self) -> Prior:
        """What is believed of an arm before any score."""
        return Gaussian(self.mean, self.kappa, self.nu, self.tau2) if self.prior == "gaussian" else Beta(self.a, self.b)

    @property
    def below_root(self) -> Operator:
        """The operator that grows a node which is not the root."""
        return "refine" if self.refine else "generate"

    @override
    def limits(self) -> Limits:
        return Limits(UNBOUNDED, UNBOUNDED, self.depth, (self.below_root,))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        if structure.unscored:
            return self._judge(structure, slots)
        if slots < 1 or not structure.openings[ROOT] or self._is_full(structure):
            return []
        tally, rng = Tally.of(structure, self.belief), structure.rng("ab-mcts")
        node = self._descend(structure, tally, rng)
        op: Operator = self.below_root if node else "generate"
        if node and self._is_barren(structure, node, op):
            return [Call("backtrack", (node, structure.parents[node][0]), reason=f"{op} comes to nothing here")]
        return [Call(op, (node,), structure.next_index(op, (node,)), self._arm(tally, node, rng))]

    def _judge(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if self.distinct:
            tally = Tally.of(structure, self.belief)
            repeats = [node for node in structure.unscored if tally.repeats(structure, node)]
            if repeats:
                return [Call("prune", (node,), reason="repeats a sibling") for node in repeats]
        return [Call("evaluate", (node,)) for node in list(structure.unscored)[: max(0, slots)]]

    def _is_full(self, structure: ReasoningStructure) -> bool:
        """Whether no more attempts may begin: nodes, failures and whatever is in flight count."""
        if self.max_nodes is None:
            return False
        failed = sum(count for (op, _), count in structure.failures.items() if op != "evaluate")
        # a node whose evaluation is in flight counts twice: the last calls of a run begin as those before them settle
        return len(structure) - 1 + failed + structure.calls_in_flight >= self.max_nodes

    def _is_barren(self, structure: ReasoningStructure, node: int, op: str) -> bool:
        """Whether attempts below a node fail and fail."""
        failed = structure.failures.get((op, (node,)), 0)
        return failed >= self.failures * (1 + len(structure.children[node]))

    def _descend(self, structure: ReasoningStructure, tally: Tally, rng: Random) -> int:
        """The node to grow: from the root down, as long as CONT is drawn ahead of GEN."""
        node = ROOT
        while True:
            is_open = structure.is_open(node)
            if structure.openings[node] == is_open:  # no child can be gone on with
                return node
            if is_open and self._wider(structure, tally, node, rng):
                return node
            node = _best_child(structure, tally, node, rng)

    def _wider(self, structure: ReasoningStructure, tally: Tally, node: int, rng: Random) -> bool:
        """Whether GEN is drawn ahead of CONT."""
        wider = deeper = 0
        if structure.virtual[node]:
            # a child that waits for its score is evidence of GEN to come, and its evaluation is in flight by now
            wider = structure.busy(self.below_root if node else "generate", (node,)) + tally.pending[node]
            deeper = structure.virtual[node] - wider
        gen = draw(tally.made[node].belief(tally.prior), wider, rng)
        return gen >= draw(tally.continued[node].belief(tally.prior), deeper, rng)

    def _arm(self, tally: Tally, node: int, rng: Random) -> str:
        """The variant that makes the next child, by Thompson sampling."""
        if len(self.arms) < 2:
            return self.arms[0] if self.arms else ""
        nothing = Sums()
        known = (
            [tally.by_arm.get(arm, nothing) for arm in self.arms]
            if self.learn_arms == "tree"
            else [tally.by_arm_at.get((node, arm), nothing) for arm in self.arms]
        )
        draws = [draw(sums.belief(tally.prior), 0, rng) for sums in known]
        return self.arms[draws.index(max(draws))]


def _best_child(structure: ReasoningStructure, tally: Tally, node: int, rng: Random) -> int:
    """The child, among those with something to grow, whose reward is drawn highest; ties go to the older one."""
    children, openings, virtual = structure.children[node], structure.openings, structure.virtual
    if len(children) < WIDE:
        arms = [child for child in children if openings[child]]
        draws = [draw(tally.within[child].belief(tally.prior), virtual[child], rng) for child in arms]
        return arms[draws.index(max(draws))]
    flying = [virtual[child] for child in children] if virtual[node] else None
    many = draw_many(tally.table(structure, node), flying, rng, isinstance(tally.prior, Beta))
    best = int(np.argmax(many))
    if not openings[children[best]]:
        many[[not openings[child] for child in children]] = -np.inf
        best = int(np.argmax(many))
    return children[best]
