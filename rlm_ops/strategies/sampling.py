"""Independent samples of whole solutions: chain of thought, self-consistency, best-of-n.

Sources: Wei et al. 2022 (arXiv 2201.11903), Wang et al. 2022 (2203.11171), Cobbe et al. 2021 (2110.14168).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

UNBOUNDED = 1 << 20
"""Samples asked for when only the budget ends the run."""


class ChainOfThought(Strategy):
    """One solution, thought through step by step."""

    name: ClassVar[str] = "cot"

    @override
    def limits(self) -> Limits:
        return Limits(1, 1, 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        return new_samples(structure, ROOT, min(slots, 1 - structure.attempts("generate", (ROOT,))))


class SelfConsistency(Strategy):
    """`n` solutions, of which the most frequent answer is taken. `n=None` samples until the budget ends."""

    name: ClassVar[str] = "self-consistency"
    n: int | None = Field(default=16, ge=1)

    @override
    def limits(self) -> Limits:
        return Limits(1, self.n or UNBOUNDED, 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        left = (self.n or UNBOUNDED) - structure.attempts("generate", (ROOT,))
        return new_samples(structure, ROOT, min(slots, left))


class BestOfN(Strategy):
    """`n` solutions, each scored, of which the best is taken. `n=None` samples until the budget ends.

    It stops early once a score reaches `confidence`: a sequential best-of-n, the one to beat where a check is free.
    """

    name: ClassVar[str] = "best-of-n"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})
    n: int | None = Field(default=16, ge=1)

    @override
    def limits(self) -> Limits:
        return Limits(1, self.n or UNBOUNDED, 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        pending = [node for node in structure.unscored if structure.steps[node].answer is not None]
        if pending:
            return [Call("evaluate", (node,)) for node in pending[:slots]]
        left = (self.n or UNBOUNDED) - structure.attempts("generate", (ROOT,))
        return new_samples(structure, ROOT, min(slots, left))
