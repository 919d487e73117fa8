"""Monte Carlo tree search over steps: select, expand, evaluate, backpropagate, many at once.

Select descends from the root to the best child until it meets a node that may get one more child, counting calls in
flight as visits, so that parallel calls spread. A subtree with nothing left to add is closed: its `openings` are 0 and
it is not entered. The search ends by budget, by iterations, by confidence, or when nothing is left to explore; a first
terminal does not end it.

The systems of the literature are parameters of this one search. Which child is best stands in
`reflectree.rlm_ops.strategies.tree_policy`; rollouts, checks and reflections beside the four phases in
`reflectree.rlm_ops.strategies.errands`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from reflectree.rlm_ops.backup import ROLLOUT
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.backtrack import wants_backtrack
from reflectree.rlm_ops.strategies.base import Limits, new_samples
from reflectree.rlm_ops.strategies.errands import ANSWER, FINISHED, REFLECT, Errands, Plan
from reflectree.rlm_ops.strategies.tree_policy import NEUTRAL as NEUTRAL
from reflectree.rlm_ops.strategies.tree_policy import TreePolicy
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


class MCTS(TreePolicy):
    """Monte Carlo tree search.

    Attributes:
        width: Children a node; `root_width` for the root, where diversity pays most.
        depth: Most steps on a path.
        distinct: Prune a step that repeats a sibling word for word.
        expand: A selected node gets `one` more child, or `all` its children at once (x1, ReST-MCTS*, LATS); `together`
            is `all`, and none of them is valued before all are there, for values that compare them.
        widen_c: Progressive widening: a node visited N times may have `widen_c * N ** widen_alpha` children, at least
            one and at most `width`; a selection that finds no other place grows it all the same.
        widen_alpha: Its exponent.
        resample_root: The root begins with `width` children; up to `root_width` more come one by one, each selection
            adding one with this probability, so that a search can leave first steps that were all wrong.
        prune_below: A step whose own value is below this is pruned, with a prune event; answers stay.
        backtrack_below: A step whose own value is below this is left, with a backtrack event: it stays, and is not
            continued.
        rollout: Greedy steps (variant `rollout`) below what was just expanded: below the new child, or the best of them
            where all come at once. They are nodes like others: evaluated, backed up, and open to the search.
        finish_check: Ask of each new step whether the solution is finished (variant `finished` of *evaluate*); if so
            its only child is the answer (variant `answer` of *generate*). For models that do not state their answers.
        reflections: Most reflections on failed attempts (variant `reflect` of *enrich*, of the root; LATS: 3).
        reflect_below: An answer has failed if its own value is below this.
        iterations: End after so many backed-up evaluations.
    """

    name: ClassVar[str] = "mcts"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})
    width: int = Field(default=4, ge=1)
    root_width: int = Field(default=8, ge=1)
    depth: int = Field(default=12, ge=1)
    distinct: bool = True
    expand: Literal["one", "all", "together"] = "one"
    widen_c: float | None = Field(default=None, gt=0)
    widen_alpha: float = Field(default=0.5, ge=0, le=1)
    resample_root: float = Field(default=0.0, ge=0, le=1)
    prune_below: float | None = Field(default=None, gt=0, le=1)
    backtrack_below: float | None = Field(default=None, gt=0, le=1)
    rollout: int = Field(default=0, ge=0)
    finish_check: bool = False
    reflections: int = Field(default=0, ge=0)
    reflect_below: float = Field(default=0.5, gt=0, le=1)
    iterations: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.widen_c is not None and self.expand != "one":
            raise ValueError("widen_c adds children one by one: with it, expand must be one")
        return self

    @override
    def uses(self) -> frozenset[str]:
        return self.operators | {"enrich"} if self.reflections else self.operators

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        if self.rollout:
            yield "generate", ROLLOUT
        if self.finish_check:
            yield "evaluate", FINISHED
            yield "generate", ANSWER
        if self.reflections:
            yield "enrich", REFLECT

    @override
    def limits(self) -> Limits:
        return Limits(self.width, self.root_width, self.depth)

    @override
    def stop(self, structure: ReasoningStructure) -> str | None:
        if self.iterations is not None and structure.visits[ROOT] >= self.iterations:
            return "iterations"
        return super().stop(structure)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return self._take_in(structure)
        if structure.unscored:
            repeats = [node for node in structure.unscored if self.distinct and structure.repeats(node)]
            if repeats:
                return [Call("prune", (node,), reason="repeats a sibling") for node in repeats]
            if calls := [Call("evaluate", (node,)) for node in self._to_value(structure)]:
                return calls[:slots]
        if slots < 1:
            return []
        if not self._is_bare and (calls := self._beside(structure, slots)):
            return calls
        if not structure.openings[ROOT]:
            return []
        node = self.select(structure)
        if self.expand != "one":
            return self._expand(structure, node, slots)
        return [Call("generate", (node,), structure.next_index("generate", (node,)))]

    @cached_property
    def _is_bare(self) -> bool:
        """Whether there is nothing but the four phases, a child at a time: the quick way of the usual case."""
        return self.expand == "one" and not (self.rollout or self.finish_check or self.reflections)

    def _beside(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        """What goes before a new selection: the rest of an expansion, and errands."""
        if self.expand != "one":
            begun = self._begun(structure)
            if begun is not None:
                return new_samples(structure, begun, min(slots, self._room(structure, begun)))
        if not (self.rollout or self.finish_check or self.reflections):
            return []
        errands: Errands | None = structure.memo.get("errands")
        if errands is None:
            errands = structure.memo["errands"] = Errands(self._plan)
        return errands.ask(structure, slots)

    @property
    def _plan(self) -> Plan:
        return Plan(
            rollout=self.rollout,
            index=self.width,
            together=self.expand != "one",
            finish_check=self.finish_check,
            reflections=self.reflections,
            reflect_below=self.reflect_below,
        )

    def _take_in(self, structure: ReasoningStructure) -> list[Call]:
        """Back up what was evaluated, and give up what is too weak.

        Giving up comes first: a trace that is cut in between still holds what is to be backed up.
        """
        calls = [Call("backpropagate", (node,)) for node in structure.unbacked]
        if self.prune_below is None and self.backtrack_below is None:
            return calls
        weak = []
        for node in structure.unbacked:
            if structure.steps[node].status == "open" and node not in structure.left:
                weak += self._give_up(structure, node)
        return weak + calls

    def _give_up(self, structure: ReasoningStructure, node: int) -> list[Call]:
        if self.prune_below is not None and (why := wants_backtrack(structure, node, self.prune_below)):
            return [Call("prune", (node,), reason=why)]
        if self.backtrack_below is not None and (why := wants_backtrack(structure, node, self.backtrack_below)):
            return [Call("backtrack", (node,), reason=why)]
        return []

    def select(self, structure: ReasoningStructure) -> int:
        """The node to expand: from the root down along the best child that still has openings."""
        node = ROOT
        if self.widen_c is None and not self.resample_root:
            while not structure.is_open(node):
                node = self.best_child(structure, node)
            return node
        while not self._may_grow(structure, node):
            child = self.best_child(structure, node)
            if child < 0:
                return node
            node = child
        return node

    def _may_grow(self, structure: ReasoningStructure, node: int) -> bool:
        """Whether a selection that comes to the node adds a child to it."""
        if not structure.is_open(node):
            return False
        if structure.attempts("generate", (node,)) < self._allowed(structure, node):
            return True
        return node == ROOT and self.resample_root > 0 and structure.rng(self.name).random() < self.resample_root

    def _allowed(self, structure: ReasoningStructure, node: int) -> int:
        """How many children a node may have for now."""
        most = structure.width_of(node)
        if node == ROOT and self.resample_root:
            most = min(most, self.width)
        if self.widen_c is None:
            return most
        return min(most, max(1, math.floor(self.widen_c * math.pow(structure.visits[node], self.widen_alpha))))

    # All children at once

    def _to_value(self, structure: ReasoningStructure) -> list[int]:
        """The nodes that may be valued now: with `together`, those that no sibling is missing of."""
        if self.expand != "together":
            return list(structure.unscored)
        return [node for node in structure.unscored if not self._misses_siblings(structure, node)]

    def _misses_siblings(self, structure: ReasoningStructure, node: int) -> bool:
        parent = structure.parents[node][0]
        return structure.busy("generate", (parent,)) > 0 or self._is_begun(structure, parent)

    def _expand(self, structure: ReasoningStructure, node: int, slots: int) -> list[Call]:
        """As many of the node's first children as there are slots for; `_begun` asks for the others."""
        begun: dict[int, None] = structure.memo["begun"]
        begun[node] = None
        return new_samples(structure, node, max(1, min(slots, self._room(structure, node))))

    def _room(self, structure: ReasoningStructure, node: int) -> int:
        """Children that are missing until the node is expanded."""
        return self._allowed(structure, node) - structure.attempts("generate", (node,))

    def _begun(self, structure: ReasoningStructure) -> int | None:
        """A node that has some of its children and waits for the others: the oldest one."""
        begun: dict[int, None] | None = structure.memo.get("begun")
        if begun is None:
            begun = structure.memo["begun"] = dict.fromkeys(range(len(structure)))
        found: int | None = None
        for node in list(begun):
            if self._is_begun(structure, node):
                found = node if found is None else min(found, node)
            elif not structure.busy("generate", (node,)):
                del begun[node]
        return found

    def _is_begun(self, structure: ReasoningStructure, node: int) -> bool:
        if not structure.is_open(node) or self._room(structure, node) < 1:
            return False
        rollout = Call("generate", (node,), self.width)
        rolled = structure.is_settled(rollout) or structure.is_in_flight(rollout)
        return structure.attempts("generate", (node,)) > int(rolled)
