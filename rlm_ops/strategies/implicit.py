"""Implicit: a reasoning model used whole. It searches inside its own long thought; we only read it.

Where the thought is visible (`reasoning_content`, `<think>` tags) it becomes a chain of steps in the trace. Sources:
the implicit reasoning models of the blueprint (arXiv 2501.11223, section 4.5): QwQ, DeepSeek-R1 (arXiv 2501.12948).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


class Implicit(Strategy):
    """Whole replies of a reasoning model.

    Attributes:
        n: How many; with several the most frequent answer is taken.
    """

    name: ClassVar[str] = "implicit"
    n: int = Field(default=1, ge=1)

    @override
    def limits(self) -> Limits:
        return Limits(1, self.n, 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        for node in structure.offspring(ROOT, "generate"):
            if node in structure.notes and not structure.attempts("restructure", (node,)):
                # one at a time: the steps of a chain are named by what is there before it
                return [Call("restructure", (node,), how="thought", reason="its thought is visible")]
        return new_samples(structure, ROOT, min(slots, self.n - structure.attempts("generate", (ROOT,))))
