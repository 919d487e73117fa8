"""AgentSquare: evolve modules, recombine them, test what is predicted to be best (arXiv 2410.06153).

A round changes the best design in some modules (*refine*, `evolve`), measures those, then crosses the best design with
others (*aggregate*, `recombine`). What a crossing is worth is predicted by an observation aside (*evaluate*,
`predict`), which has seen the measured designs; only the best predicted ones are measured, the others pruned. A
crossing whose prediction failed is taken for an average one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import new_calls
from reflectree.rlm_ops.strategies.design.base import DesignStrategy, best_of, measured, tried, value_of
from reflectree.rlm_ops.structure import ReasoningStructure

EVOLVE, RECOMBINE, PREDICT = "evolve", "recombine", "predict"
NEUTRAL = 0.5


class AgentSquare(DesignStrategy):
    """Module evolution, recombination and a performance predictor.

    Attributes:
        rounds: Most rounds.
        evolve: Changed modules a round, all measured.
        recombine: Crossings a round, all predicted.
        test: Crossings that are measured a round, the best predicted first.
    """

    name: ClassVar[str] = "agentsquare"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "aggregate", "evaluate"})
    rounds: int = Field(default=10, ge=0)
    evolve: int = Field(default=4, ge=1)
    recombine: int = Field(default=4, ge=0)
    test: int = Field(default=1, ge=1)

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        if self.recombine:
            yield "evaluate", PREDICT

    @override
    def drop(self, structure: ReasoningStructure) -> list[Call]:
        """Crossings that are not among the best predicted, once all of a round are predicted."""
        crossed = self._crossed(structure)
        if len(crossed) <= self.test or not self._is_predicted(structure, crossed):
            return []
        rank = sorted(crossed, key=lambda node: (-structure.asides.get((node, PREDICT), NEUTRAL), node))
        losers = tuple(sorted(rank[self.test :]))
        return [Call("prune", losers, reason=f"not among the best {self.test} predicted of {len(crossed)}")]

    @override
    def measure(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        crossed = self._crossed(structure)
        calls = [Call("evaluate", (node,)) for node in structure.unscored if node not in crossed]
        trials = [Call("evaluate", (node,), 1, PREDICT) for node in crossed]
        calls += [call for call in trials if not structure.is_settled(call)]
        if calls or not self._is_predicted(structure, crossed):
            return calls
        return [Call("evaluate", (node,)) for node in crossed]

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        pool = measured(structure)
        crossings = self._crossings(structure, pool)
        if crossings or structure.calls_in_flight or not pool:
            return crossings
        evolved = tried(structure, "refine")
        if evolved >= self.rounds * self.evolve:
            return []
        best = best_of(structure, pool)
        left = self.evolve - evolved % self.evolve
        return new_calls(structure, "refine", (best,), min(left, slots), EVOLVE)

    def _crossed(self, structure: ReasoningStructure) -> list[int]:
        """Crossings that wait to be measured."""
        return [node for node in structure.unscored if structure.ops[node] == "aggregate"]

    def _is_predicted(self, structure: ReasoningStructure, crossed: list[int]) -> bool:
        """Whether all crossings of this round are there and predicted."""
        if structure.calls_in_flight or self._crossings(structure, measured(structure)):
            return False
        return all(structure.is_settled(Call("evaluate", (node,), 1)) for node in crossed)

    def _crossings(self, structure: ReasoningStructure, pool: list[int]) -> list[Call]:
        """Crossings of the best design with others that this round still owes, the better ones first."""
        evolved = tried(structure, "refine")
        number, left = divmod(evolved, self.evolve)
        if left or not number or len(pool) < 2:
            return []
        how = f"{RECOMBINE}-{number}"
        if any(structure.hows[node] == how for node in pool):
            return []  # one of this round is measured: it is over
        owed = min(
            self.recombine - structure.hows.count(how),
            self.recombine * number - tried(structure, "aggregate"),
        )
        best = best_of(structure, pool)
        others = sorted((node for node in pool if node != best), key=lambda node: (-value_of(structure, node), node))
        free = [pair for other in others if not structure.attempts("aggregate", pair := (best, other))]
        return [Call("aggregate", pair, 0, how) for pair in free[: max(0, owed - structure.calls_in_flight)]]


__all__ = ["EVOLVE", "PREDICT", "RECOMBINE", "AgentSquare"]
