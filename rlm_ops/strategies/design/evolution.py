"""Evolution of designs: a population, tournaments, mutations and crossovers.

EvoPrompt (arXiv 2309.08532) evolves prompts so, EvoAgent (arXiv 2406.14228) roles and teams.
Steady state: as soon as there is room, parents are drawn by tournament among the best `population` designs, and either
one is mutated (*refine*, `mutate`) or two are crossed (*aggregate*, `crossover`). What a mutation may touch is the
agent's business. No other record is kept: the population is the best of what was measured.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.base import DesignStrategy, measured, tournament, tried, value_of
from reflectree.rlm_ops.structure import ReasoningStructure

MUTATE, CROSSOVER = "mutate", "crossover"


class Evolution(DesignStrategy):
    """Evolution in steady state.

    Attributes:
        initial: First designs.
        population: How many of the best may be parents.
        children: Designs that are bred, failed ones included.
        tournament: Designs drawn for each parent.
        crossover: Chance that two parents are crossed.
        parallel: Breedings under way at once.
    """

    name: ClassVar[str] = "evolution"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "aggregate", "evaluate"})
    initial: int = Field(default=4, ge=1)
    population: int = Field(default=8, ge=2)
    children: int = Field(default=32, ge=0)
    tournament: int = Field(default=3, ge=1)
    crossover: float = Field(default=0.3, ge=0, le=1)
    parallel: int = Field(default=4, ge=1)

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        bred = tried(structure, "refine") + tried(structure, "aggregate") + structure.calls_in_flight
        pool = sorted(measured(structure), key=lambda node: (-value_of(structure, node), node))[: self.population]
        if not pool or bred >= self.children or structure.calls_in_flight >= self.parallel:
            return []
        rng = structure.rng("evolution")
        if len(pool) > 1 and rng.random() < self.crossover:
            drawn = tournament(structure, pool, 2, self.tournament, rng)
            nodes = tuple(sorted(drawn, key=lambda node: (value_of(structure, node), -node)))
            return [Call("aggregate", nodes, structure.next_index("aggregate", nodes), CROSSOVER)]
        (parent,) = tournament(structure, pool, 1, self.tournament, rng)
        return [Call("refine", (parent,), structure.next_index("refine", (parent,)), MUTATE)]


__all__ = ["Evolution"]
