"""Reflexion in an environment: a trial is an episode, and a failed one teaches the next in words (arXiv 2303.11366).

Trials are made one after the other. Whether one has failed is the evaluator's word on its last step: a judge's, the
policy's own, or a function's that reads the environment's end message; never the environment's hidden score. After a
failed one *enrich* adds a reflection to the task itself, so that it stands in every later prompt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_calls
from reflectree.rlm_ops.strategies.episodes import ACT, ACTION, WAYS, first_steps, is_over, next_step, tips
from reflectree.rlm_ops.strategies.errands import REFLECT
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


class ReflexionEnv(Strategy):
    """Episodes with reflections between them.

    Attributes:
        trials: Most episodes.
        steps: Most steps of an episode (ALFWorld: 49).
        bad_calls: Commands in a row that were not understood, or refused, after which an episode is ended.
    """

    name: ClassVar[str] = "reflexion-env"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "enrich", "evaluate"})
    trials: int = Field(default=10, ge=1)
    steps: int = Field(default=49, ge=1)
    bad_calls: int = Field(default=5, ge=1)

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return [("generate", ACT), ("generate", ACTION), ("enrich", REFLECT)]

    @override
    def limits(self) -> Limits:
        return Limits(len(WAYS), self.trials * len(WAYS), self.steps)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if slots < 1 or structure.calls_in_flight or self.stop(structure):
            return []
        ends = tips(structure, self.name)
        if ends:
            tip = ends[-1]
            if tip in structure.unscored and structure.steps[tip].status == "terminal":
                return [Call("evaluate", (tip,))]
            step = next_step(structure, tip, steps=self.steps, bad_calls=self.bad_calls)
            if step is not None or not is_over(structure, tip):
                return [] if step is None else [step]
        if len(ends) >= self.trials:
            return []
        judged = sum(structure.evaluations[tip] > 0 for tip in ends)
        if judged > structure.attempts("enrich", (ROOT,)):
            return new_calls(structure, "enrich", (ROOT,), 1, REFLECT)
        return first_steps(structure, len(ends) + 1, 1)
