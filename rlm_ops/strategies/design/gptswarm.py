"""GPTSwarm: a team's edges learnt by REINFORCE (arXiv 2402.16823), seen from the structure.

Batches of designs are sampled at the root (*generate*, `batch-0`, `batch-1`, ...), each measured; after the last batch
one more design takes the edges that have become likely (`threshold`). The logits are nowhere kept: whoever samples
derives them from the measured designs of the batches before (`batches`), and no model proposes. A batch begins when
the one before is measured, as the gradient wants it. A sample may repeat an earlier one: it counts again, and costs
nothing where measurements are cached.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.base import SPARE, DesignStrategy
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

BATCH, THRESHOLD = "batch-", "threshold"


class GPTSwarm(DesignStrategy):
    """Edge optimisation.

    Attributes:
        iterations: Batches.
        batch: Designs a batch.
        rate: Step size of the logits.
        decay: Share of the moving-average baseline that stays after a batch; `None` has no baseline.
    """

    name: ClassVar[str] = "gptswarm"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})
    distinct: ClassVar[bool] = False
    iterations: int = Field(default=20, ge=0)
    batch: int = Field(default=4, ge=1)
    rate: float = Field(default=0.1, gt=0)
    decay: float | None = Field(default=0.9, ge=0, lt=1)

    @override
    def grow(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        start = self.initial + SPARE
        for number in range(self.iterations):
            free = structure.free_indices("generate", (ROOT,), start + number * self.batch, self.batch)
            if free:  # a batch that has begun goes on; a new one waits for what is in flight
                begun = len(free) < self.batch
                if structure.calls_in_flight and not begun:
                    return []
                return [Call("generate", (ROOT,), index, f"{BATCH}{number}") for index in free]
        if structure.calls_in_flight or not self.iterations:
            return []
        last = Call("generate", (ROOT,), start + self.iterations * self.batch, THRESHOLD)
        return [] if structure.is_settled(last) else [last]

    @override
    def _has_begun(self, structure: ReasoningStructure) -> bool:
        first = self.initial + SPARE
        later = len(structure.free_indices("generate", (ROOT,), first, self.batch)) < self.batch
        return later or super()._has_begun(structure)


def _is_batch(how: str) -> bool:
    """Whether a label is that of a batch."""
    return how.startswith(BATCH) and how[len(BATCH) :].isdigit()


def batches(structure: ReasoningStructure, until: int) -> list[list[int]]:
    """The designs of the batches before number `until` that have not failed, batch by batch."""
    found: list[list[int]] = [[] for _ in range(until)]
    for node in structure.children[ROOT]:
        how = structure.hows[node]
        if _is_batch(how) and int(how[len(BATCH) :]) < until and structure.steps[node].status != "failed":
            found[int(how[len(BATCH) :])].append(node)
    return found


__all__ = ["BATCH", "THRESHOLD", "GPTSwarm", "batches"]
