"""Monte Carlo tree search whose actions are operators: what to do with a node is decided as which node to go on with.

At each node on the way down PUCT chooses among operators: generate, refine, aggregate, restructure, backtrack, and at
the root stop. An operator's Q at a node is the mean value backed up from what it made there; its N is how often the
search went that way; its prior comes from a table, uniform or learnt from traces (`operator_priors`), over those that
are possible there. An operator that has been tried goes deeper into what it made, or is applied once more as its visits
grow (progressive widening).

After the blueprint for reasoning language models (arXiv 2501.11223), whose operators no released search chooses among.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from random import Random
from typing import ClassVar, Literal, Self, cast

from pydantic import Field, model_validator
from typing_extensions import override

from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.formulas.priors import root_noise
from reflectree.rlm_ops.formulas.scores import puct
from reflectree.rlm_ops.operators.aggregate import aggregate_problem
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.operator_arms import Arm, going_back, is_possible, mates, next_cut, past
from reflectree.rlm_ops.strategies.operator_priors import features, probabilities
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

Action = Literal["generate", "refine", "aggregate", "restructure", "backtrack", "stop"]
ACTIONS: tuple[Action, ...] = ("generate", "refine", "aggregate", "restructure", "backtrack", "stop")

NEUTRAL = 0.5
"""The worth of a root of which nothing is known yet."""


class OperatorMCTS(Strategy):
    """Monte Carlo tree search over operators.

    Attributes:
        actions: The operators it may choose among; *generate* must be one of them.
        priors: Weights of operators: for all nodes (`{refine: 0.5}`), or by what a node is (`{answer: {refine: 0.7}}`).
        generate: The variants of *generate* to choose among; the last one is taken where only one more step fits.
        width: Calls a node that grow it, merges aside; `root_width` for the root, where diversity pays most.
        depth: Most nodes on a path.
        c: Exploration constant of PUCT, and `c_base` its slow growth. AlphaZero's 1.25 is for dozens of moves worth -1
            to 1; here a handful of arms differ by tenths, and it would try them all alike.
        widen: An operator visited N times at a node is applied there up to `widen * sqrt(1 + N)` times.
        merge: Most nodes a merge takes, and `merges` how many may be begun from one node.
        refine_steps: Refine unfinished steps too: a verifier has something to say of answers only.
        patience: Nodes without a better answer after which stopping may end the run.
        noise: Share of Dirichlet noise among the root's children (AlphaZero takes 0.25).
        epsilon: The chance of any arm in place of the best.
        distinct: Prune a node that repeats a sibling, or what it was made from, word for word.
    """

    name: ClassVar[str] = "operator-mcts"
    actions: tuple[Action, ...] = ACTIONS
    priors: dict[str, float | dict[str, float]] = Field(default_factory=dict)
    generate: tuple[str, ...] = Field(default=("step", "whole"), min_length=1)
    width: int = Field(default=5, ge=1)
    root_width: int = Field(default=10, ge=1)
    depth: int = Field(default=12, ge=1)
    c: float = Field(default=0.3, ge=0)
    c_base: float = Field(default=19652.0, gt=0)
    widen: float = Field(default=2.0, gt=0)
    merge: int = Field(default=3, ge=2)
    merges: int = Field(default=1, ge=1)
    refine_steps: bool = False
    patience: int = Field(default=24, ge=1)
    noise: float = Field(default=0.25, ge=0, le=1)
    epsilon: float = Field(default=0.0, ge=0, le=1)
    distinct: bool = True

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        if "generate" not in self.actions:
            raise ValueError("actions: nothing can begin without generate: add it")
        weights = [
            weight for row in self.priors.values() for weight in (row.values() if isinstance(row, dict) else [row])
        ]
        if any(not 0 <= weight < math.inf for weight in weights):
            raise ValueError("priors: a weight is a number from 0")
        return self

    @override
    def uses(self) -> frozenset[str]:
        return frozenset({"generate", "evaluate"} | ({"refine", "aggregate"} & set(self.actions)))

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return [("generate", how) for how in self.generate]

    @override
    def limits(self) -> Limits:
        growing = [op for op in ("generate", "refine", "restructure") if op in self.actions]
        if "refine" not in growing and {"aggregate", "restructure"} & set(self.actions):
            growing.append("refine")  # never asked for then: it says that answers may grow
        return Limits(self.width, self.root_width, self.depth, tuple(growing))

    @override
    def stop(self, structure: ReasoningStructure) -> str | None:
        return super().stop(structure) or ("stopped" if self._stops(structure) else None)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        if structure.unscored:
            repeats = [node for node in structure.unscored if self.distinct and _says_nothing_new(structure, node)]
            if repeats:
                return [Call("prune", (node,), reason="says nothing new") for node in repeats]
            return [Call("evaluate", (node,)) for node in list(structure.unscored)[: max(0, slots)]]
        if slots < 1 or not structure.openings[ROOT]:
            return []
        return [self._search(structure, structure.rng("operator-mcts"))]

    def _search(self, structure: ReasoningStructure, rng: Random) -> Call:
        """The next call: from the root down, operator by operator."""
        node = ROOT
        while True:
            arms = self._arms(structure, node)
            if not arms:
                parent = structure.parents[node][0]
                return Call("backtrack", (node, parent), reason="there is nothing more to do here")
            arm = self._best(structure, node, arms, rng)
            anew = self.widen * math.sqrt(1 + arm.visits)
            if arm.nodes and (not arm.below or arm.attempts < anew):
                op = cast(Operator, arm.op)
                if op == "generate":
                    arm.how = self._grain(structure, node, arm)
                index = 0 if op == "backtrack" else structure.next_index(op, arm.nodes)
                return Call(op, arm.nodes, index, arm.how, arm.reason)
            node = self._best_of(structure, node, arm, rng)

    def _arms(self, structure: ReasoningStructure, node: int) -> list[Arm]:
        """The operators that can be applied at the node, or lead deeper; *stop* is not among them."""
        arms = past(structure, node)
        if structure.is_open(node):
            for action in self.actions:
                if action != "stop" and is_possible(structure, node, action):
                    arm = arms.get(action) or Arm(action)
                    self._aim(structure, node, arm)
                    if arm.nodes:
                        arms[action] = arm
        possible = [arm for arm in arms.values() if arm.nodes or arm.below]
        # leaving a node is a way on only where there are others
        return [] if all(arm.op == "backtrack" for arm in possible) else possible

    def _aim(self, structure: ReasoningStructure, node: int, arm: Arm) -> None:
        """Say what the operator would be applied to now, and how; nothing where it cannot be."""
        if arm.op == "generate":
            arm.nodes = (node,)
        elif arm.op == "refine":
            if self.refine_steps or structure.steps[node].status == "terminal":
                arm.nodes = (node,)
        elif arm.op == "aggregate":
            nodes = mates(structure, node, self.merge) if arm.attempts < self.merges else ()
            tried = structure.attempts("aggregate", nodes)
            if nodes and not tried and not aggregate_problem(structure, Call("aggregate", nodes)):
                arm.nodes = nodes
        elif arm.op == "restructure":
            cut = next_cut(structure, node)
            if cut is not None:
                arm.nodes, arm.how, arm.reason = (node,), f"branch:{cut}", f"what comes after line {cut} is in doubt"
        elif arm.op == "backtrack":
            arm.reason = going_back(structure, node)
            if arm.reason:
                arm.nodes = (node, structure.parents[node][0])

    def _best(self, structure: ReasoningStructure, node: int, arms: Sequence[Arm], rng: Random) -> Arm:
        """The arm that PUCT likes best, or by `epsilon` any; ties go to the older operator."""
        if self.epsilon and rng.random() < self.epsilon:
            return arms[rng.randrange(len(arms))]
        if len(arms) == 1:
            return arms[0]
        scores = self._scores(structure, node, arms)
        return arms[scores.index(max(scores))]

    def _scores(self, structure: ReasoningStructure, node: int, arms: Sequence[Arm]) -> list[float]:
        """PUCT of the arms of a node.

        Going back is worth what the parent is worth, for that is where the search goes on; it is not explored but
        decided, so it has all visits of the other arms.
        """
        here = structure.mean(node)
        unknown = NEUTRAL if here is None else here
        visits = 1 + sum([arm.visits for arm in arms])
        explore = self._explore(visits)
        share = probabilities(self.priors, features(structure, node), [arm.op for arm in arms])
        scores = []
        for arm in arms:
            if arm.op == "backtrack":
                q, count = structure.mean(arm.nodes[1]) or 0.0, visits
            else:
                q, count = arm.q(unknown), arm.visits
            scores.append(q + explore * share[arm.op] / (1 + count))
        return scores

    def _explore(self, visits: int) -> float:
        """What PUCT multiplies a prior and 1 / (1 + N) by: the same for all that is compared at a node."""
        return puct(0.0, visits, 0, 1.0, self.c, self.c_base)

    def _grain(self, structure: ReasoningStructure, node: int, arm: Arm) -> str:
        """The variant of *generate*: by PUCT over what each made here, in turn among equals."""
        hows = self.generate
        if len(hows) == 1 or structure.depth[node] + 1 >= structure.depth_limit:
            return hows[-1]
        unknown = structure.mean(node)
        explore = self._explore(1 + arm.visits) / len(hows)
        best, best_score = hows[-1], -math.inf
        for turn in range(len(hows)):
            how = hows[(arm.attempts + turn) % len(hows)]
            made = [child for child in arm.offspring if structure.hows[child] == how]
            visits = sum([max(1, structure.visits[child] + structure.virtual[child]) for child in made])
            seen = sum([structure.visits[child] for child in made])
            total = sum([structure.value_sum[child] for child in made])
            q = total / seen if seen else NEUTRAL if unknown is None else unknown
            score = q + explore / (1 + visits)
            if score > best_score:
                best, best_score = how, score
        return best

    def _best_of(self, structure: ReasoningStructure, node: int, arm: Arm, rng: Random) -> int:
        """Which of the operator's offspring to go on with: PUCT, with noise at the root; ties go to the older one."""
        children = arm.below
        if len(children) == 1:
            return children[0]
        known = structure.sibling_priors(node)
        share = [1.0 if known is None else known[child] for child in children]
        explore = self._explore(1 + arm.visits) / sum(share)
        if node == ROOT and self.noise:
            explore, share = (
                explore * sum(share),
                root_noise([weight / sum(share) for weight in share], rng, self.noise),
            )
        mean = structure.mean(node)
        unknown = NEUTRAL if mean is None else mean
        visits, virtual, sums = structure.visits, structure.virtual, structure.value_sum
        best, best_score = -1, -math.inf
        for child, prior in zip(children, share, strict=True):
            seen = visits[child]
            score = (sums[child] / seen if seen else unknown) + explore * prior / (1 + seen + virtual[child])
            if score > best_score:
                best, best_score = child, score
        return best

    def _stops(self, structure: ReasoningStructure) -> bool:
        """Whether *stop* is the best arm of the root, and has been for `patience` nodes: none was a better answer.

        It is worth what the best answer is worth, and has been tried, in vain, as often as nodes came after that.
        """
        best = structure.best_terminal
        if "stop" not in self.actions or best is None:
            return False
        since = len(structure) - 1 - best
        if since < self.patience:
            return False
        stop = Arm("stop", visits=since, seen=1, total=structure.value(best) or 0.0)
        arms = [*self._arms(structure, ROOT), stop]
        scores = self._scores(structure, ROOT, arms)
        return scores[-1] >= max(scores)


def _says_nothing_new(structure: ReasoningStructure, node: int) -> bool:
    """Whether a node repeats an older sibling, or what it was refined, merged or branched from, word for word."""
    parent = structure.parents[node][0]
    same = parent != ROOT and structure.after[node] == structure.after[parent]
    return structure.repeats(node) or (same and structure.steps[node].text == structure.steps[parent].text)
