"""Reflexion: try, and where that failed say in words why, and try again with that in view (arXiv 2303.11366).

Trials are made one after the other. After a failed one *enrich* adds a reflection to the task itself, so that it stands
in every later prompt. Who says that a trial failed is the evaluator's business, and how a reflection is written the
agent's.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_calls, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


class Reflexion(Strategy):
    """Trials with reflections between them.

    Attributes:
        trials: Most trials.
    """

    name: ClassVar[str] = "reflexion"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate", "enrich"})
    trials: int = Field(default=10, ge=1)

    @override
    def limits(self) -> Limits:
        return Limits(1, self.trials, 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        answers = [node for node in structure.unscored if structure.steps[node].answer is not None]
        if answers:
            return [Call("evaluate", (node,)) for node in answers[:slots]]
        tried = structure.attempts("generate", (ROOT,))
        if slots < 1 or structure.calls_in_flight or tried >= self.trials or self.stop(structure):
            return []
        judged = sum(structure.evaluations[child] > 0 for child in structure.children[ROOT])
        if judged > structure.attempts("enrich", (ROOT,)):
            return new_calls(structure, "enrich", (ROOT,), 1)
        return new_samples(structure, ROOT, 1)
