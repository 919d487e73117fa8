"""What a design will be worth, before it is run: AgentSquare's performance predictor, an observation aside.

In context (`Predictor`): a model is shown measured designs with their values. Without a model (`NearestPredictor`): the
mean of the measured designs, those that differ in fewer paths counting for more. A prediction decides only what is
measured first; it is never a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Asking, Score, ScoreError, Waiting
from reflectree.graphs.design_search.designs import BadDesign, changes
from reflectree.graphs.design_search.proposals import Context, design_of
from reflectree.graphs.design_search.proposing import history, prompts
from reflectree.models.base import Choice, Request
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.parsing import json_objects
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.strategies.design.base import measured
from reflectree.rlm_ops.structure import ReasoningStructure

SHOWN = 16
"""Measured designs that a model is shown, the best ones."""
NEAR = 2.0
"""Changed paths at which a measured design counts for 1/e."""


class Predictor(Waiting):
    """Asks a model, with measured designs in context.

    Args:
        context: What the search's agents know.
    """

    source = "predictor"
    aside = True

    def __init__(self, context: Context) -> None:
        self.context = context

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """The predicted value.

        Raises:
            BudgetRefused, ModelError: The model cannot be asked.
            ScoreError: The reply holds no value.
        """
        structure = run.structure
        known = history.ranked(structure, measured(structure))[-SHOWN:]
        design = path.answer or path.text
        request = Request(
            prompts.predicting(history.listed(structure, known), design),
            max_tokens=self.context.max_tokens,
            temperature=0.0,
            seed=call.seed(run.seed),
            timeout=self.context.timeout,
        )
        asking = Asking(run, self.context.model)
        async with self.context.room():
            (choice, *_) = await asking.samples(request, _problem)
        value = _value(choice.text)
        if value is None:
            raise ScoreError("the prediction holds no value from 0 to 100", asking.usage)
        return Score(value, choice.text.strip()[:400], asking.usage)


class NearestPredictor(Waiting):
    """Predicts from the measured designs that differ least.

    Args:
        context: What the search's agents know.
    """

    source = "predictor"
    aside = True

    def __init__(self, context: Context) -> None:
        self.context = context

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """The predicted value.

        Raises:
            ScoreError: Nothing was measured yet, or the node holds no design.
        """
        try:
            value = nearest_value(run.structure, call.nodes[0], self.context)
        except BadDesign as error:
            raise ScoreError(str(error)) from error
        if value is None:
            raise ScoreError("no design was measured yet: there is nothing to predict from")
        return Score(value, "from the measured designs that differ least")


def nearest_value(structure: ReasoningStructure, node: int, context: Context) -> float | None:
    """The mean of measured designs, each weighing exp(-changed paths / `NEAR`); `None` without any."""
    design = design_of(structure, node, context)
    weights, total = 0.0, 0.0
    for other in measured(structure):
        distance = len(changes(design, design_of(structure, other, context)))
        weight = math.exp(-distance / NEAR)
        weights += weight
        total += weight * (structure.value(other) or 0.0)
    return total / weights if weights else None


def _problem(choice: Choice) -> str | None:
    return None if _value(choice.text) is not None else "the reply holds no value from 0 to 100"


def _value(text: str) -> float | None:
    """The value in the last object of a reply, over 100."""
    value: float | None = None
    for found in json_objects(text):
        number = found.get("value") if isinstance(found, Mapping) else None
        if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 100:
            value = float(number) / 100
    return value


__all__ = ["NearestPredictor", "Predictor", "nearest_value"]
