"""rStar: Monte Carlo tree search over five human-like actions, then mutual consistency (Qi et al. 2024, 2408.06195).

A rollout selects a node by UCT, tries an action there that was not tried before, and goes on by chance to an answer.
An answer is worth the share of all answers that say the same; that is counted here, from the answers in the structure,
so that no evaluator is paid and no value grows stale as more answers come. After the rollouts another model completes
the paths to the answers from a part of each, and confirms those it comes to as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from random import Random
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas.scores import Schedule, rstar_weight
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.rollouts import Rollouts
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

STEP, WHOLE, SUBQUESTION, AGAIN, REPHRASE = "step", "whole", "subquestion", "again", "rephrase"
"""The actions A1 to A5, as variants of *generate*."""
DISCRIMINATE = "discriminate"
"""The variant of *evaluate* that asks the other model."""
FOLLOWS: dict[str, tuple[str, ...]] = {
    "": (STEP, WHOLE, SUBQUESTION, REPHRASE),
    REPHRASE: (STEP, WHOLE, SUBQUESTION),
    STEP: (STEP, WHOLE),
    SUBQUESTION: (STEP, WHOLE, SUBQUESTION, AGAIN),
    AGAIN: (STEP, WHOLE, SUBQUESTION),
    WHOLE: (),
}
"""Which actions may follow which; "" is the task."""


class RStar(Strategy):
    """Mutual reasoning.

    Attributes:
        rollouts: Rollouts of the search.
        depth: Most actions on a path; the last one is always a whole solution.
        weight: UCT's exploration weight, and `schedule` how it falls over the rollouts.
        steps: Children a node by action A1, `wholes` by A2, `subquestions` by A3, `agains` by A4, `rephrasings` by A5;
            0 leaves the action out.
        candidates: Answers put to the other model, those of different kinds in turn; all of them where `None`.
    """

    name: ClassVar[str] = "rstar"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})
    rollouts: int = Field(default=16, ge=1)
    depth: int = Field(default=5, ge=1)
    weight: float = Field(default=2.0, ge=0)
    schedule: Schedule = "const"
    steps: int = Field(default=3, ge=0)
    wholes: int = Field(default=1, ge=1)
    subquestions: int = Field(default=3, ge=0)
    agains: int = Field(default=1, ge=0)
    rephrasings: int = Field(default=1, ge=0)
    candidates: int | None = Field(default=None, ge=0)

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        asked = [("generate", how) for how, count in self._quotas().items() if count]
        return asked if self.candidates == 0 else [*asked, ("evaluate", DISCRIMINATE)]

    @override
    def limits(self) -> Limits:
        most = sum(self._quotas().values())
        return Limits(most, most, self.depth)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if slots < 1:
            return []
        search = self._search(structure)
        fresh = search.fresh(structure)
        if fresh:
            return [self._act(structure, node) for node in fresh[:slots]]
        if search.begun(structure) < self.rollouts:
            node = self._select(structure, search)
            if node is not None:
                return [self._act(structure, node)]
        return self._discriminate(structure, search, slots)

    def actions(self, structure: ReasoningStructure, node: int) -> list[str]:
        """The actions to try at a node, in the order in which they are tried: chance decides, once for all."""
        if structure.depth[node] >= self.depth or structure.steps[node].status != "open":
            return []
        known: dict[int, list[str]] = structure.memo.setdefault(f"{self.name} actions", {})
        if node not in known:
            quotas = self._quotas()
            legal = FOLLOWS.get(structure.hows[node], ()) if structure.depth[node] < self.depth - 1 else (WHOLE,)
            if structure.hows[node] == WHOLE:
                legal = ()
            order = [how for how in legal for _ in range(quotas[how])]
            # not `structure.rng`: the order has to be the same whenever it is asked for
            seed = structure.began.seed if structure.began else 0
            Random(zlib.crc32(f"{seed}:{self.name}:{node}".encode())).shuffle(order)
            known[node] = order
        return known[node]

    def _quotas(self) -> dict[str, int]:
        counts = (self.steps, self.wholes, self.subquestions, self.agains, self.rephrasings)
        return dict(zip((STEP, WHOLE, SUBQUESTION, AGAIN, REPHRASE), counts, strict=True))

    def _search(self, structure: ReasoningStructure) -> Rollouts:
        search = structure.memo.get(self.name)
        if search is None:
            search = structure.memo[self.name] = Rollouts(WHOLE)
            search.take_in(structure)
            search.judging = any(structure.busy("evaluate", (node,)) for node in search.answers)
        assert isinstance(search, Rollouts)
        search.take_in(structure)
        return search

    def _act(self, structure: ReasoningStructure, node: int) -> Call:
        index = structure.next_index("generate", (node,))
        return Call("generate", (node,), index, self.actions(structure, node)[index])

    def _select(self, structure: ReasoningStructure, search: Rollouts) -> int | None:
        """A node with an untried action: from the root along UCT; `None` where there is none left now."""
        weight = rstar_weight(search.begun(structure), self.rollouts, self.weight, self.schedule)
        stuck: set[int] = set()
        while True:
            node, way = ROOT, [ROOT]
            while structure.attempts("generate", (node,)) >= len(self.actions(structure, node)):
                open_ = [c for c in structure.children[node] if c not in search.closed and c not in stuck]
                if not open_:
                    break
                # the older one of equals
                node = max(open_, key=lambda c: (search.uct(structure, c, weight), -c))
                way.append(node)
            else:
                return node
            if node == ROOT:
                return None
            stuck.add(node)
            if not structure.virtual[node] and all(c in search.closed for c in structure.children[node]):
                search.closed.add(node)  # for good: nothing is left to try at or below it

    def _discriminate(self, structure: ReasoningStructure, search: Rollouts, slots: int) -> list[Call]:
        """Put the answers to the other model, once all rollouts are over and unless all say the same."""
        chosen = search.candidates(structure)[: self.candidates]
        if len(search.votes) < 2 or not chosen:
            return []
        if structure.calls_in_flight and not structure.attempts("evaluate", (chosen[0],)):
            return []
        search.judging = True
        waiting = [node for node in chosen if not structure.attempts("evaluate", (node,))]
        return [Call("evaluate", (node,), 0, DISCRIMINATE) for node in waiting[:slots]]
