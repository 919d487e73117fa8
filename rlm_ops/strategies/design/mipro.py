"""MIPRO: instructions and sets of examples chosen together (arXiv 2406.11695; the numbers are those of MIPROv2).

First come the candidates: designs with a new instruction (*refine* of the seed, `instruction`), and designs with a set
of worked examples bootstrapped from training examples that went well (*refine* of the seed, `demos`). The seed is a
candidate of both kinds. Then trials: a tree-structured Parzen estimator over (instruction x examples) draws a
combination, an agent puts the two designs together (*aggregate*, `combine`: instruction of the first, examples of the
second), and it is measured.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas.design import draw_one, mipro_trials, tpe_weights
from reflectree.rlm_ops.strategies.design.base import DesignStrategy, is_alive, measured, tried, value_of
from reflectree.rlm_ops.structure import ReasoningStructure

INSTRUCTION, DEMOS, COMBINE = "instruction", "demos", "combine"
DRAWS = 4
"""Combinations drawn for a trial, of which the one of the highest weight is tried."""


class MIPRO(DesignStrategy):
    """Joint search over instructions and sets of examples.

    Attributes:
        candidates: n; there are n / 2 instructions and n / 2 sets of examples, the seed's own among both.
        predictors: Prompts of the design that are optimised together, for the number of trials.
        trials: Most combinations; MIPROv2's formula where `None`.
        good: Share of the trials that count as good.
        parallel: Trials under way at once.
    """

    name: ClassVar[str] = "mipro"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "aggregate", "evaluate"})
    candidates: int = Field(default=6, ge=2)
    predictors: int = Field(default=1, ge=1)
    trials: int | None = Field(default=None, ge=0)
    good: float = Field(default=0.25, gt=0, lt=1)
    parallel: int = Field(default=4, ge=1)

    @property
    def most_trials(self) -> int:
        """Most combinations that are tried."""
        return mipro_trials(self.candidates, self.predictors, few_shot=True) if self.trials is None else self.trials

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        pool = measured(structure)
        if not pool:
            return []
        seed, each = pool[0], max(1, self.candidates // 2 - 1)
        wanted = [*([INSTRUCTION] * each), *([DEMOS] * each)]
        free = structure.free_indices("refine", (seed,), 0, len(wanted))
        if free:
            return [Call("refine", (seed,), index, wanted[index]) for index in free]
        if structure.busy("refine", (seed,)) or structure.calls_in_flight >= self.parallel:
            return []
        if tried(structure, "aggregate") + structure.calls_in_flight >= self.most_trials:
            return []
        pair = self._drawn(structure, seed, pool)
        return [] if pair is None else [Call("aggregate", pair, 0, COMBINE)]

    def _drawn(self, structure: ReasoningStructure, seed: int, pool: list[int]) -> tuple[int, int] | None:
        """The combination to try next, or `None` where all were tried: one not tried, drawn by its weight."""
        instructions = [seed, *self._of(structure, pool, INSTRUCTION)]
        demos = [seed, *self._of(structure, pool, DEMOS)]
        seen = [(*self._parts(structure, node, seed), value_of(structure, node)) for node in pool]
        seen = [(i, d, value) for i, d, value in seen if i in instructions and d in demos]
        scores = [value for _, _, value in seen]
        of_i = tpe_weights([instructions.index(i) for i, _, _ in seen], scores, len(instructions), self.good)
        of_d = tpe_weights([demos.index(d) for _, d, _ in seen], scores, len(demos), self.good)
        free = [
            (i, d)
            for i in range(1, len(instructions))
            for d in range(1, len(demos))
            if not structure.attempts("aggregate", (instructions[i], demos[d]))
        ]
        if not free:
            return None
        weights, rng = [of_i[i] * of_d[d] for i, d in free], structure.rng("mipro")
        i, d = free[max((draw_one(weights, rng) for _ in range(DRAWS)), key=weights.__getitem__)]
        return instructions[i], demos[d]

    def _of(self, structure: ReasoningStructure, pool: list[int], how: str) -> list[int]:
        return [node for node in pool if structure.hows[node] == how and is_alive(structure, node)]

    def _parts(self, structure: ReasoningStructure, node: int, seed: int) -> tuple[int, int]:
        """Whose instruction and whose examples a design has."""
        how = structure.hows[node]
        if how == COMBINE:
            first, second = structure.parents[node]
            return first, second
        return (node if how == INSTRUCTION else seed), (node if how == DEMOS else seed)


__all__ = ["COMBINE", "DEMOS", "INSTRUCTION", "MIPRO"]
