"""`pairwise`: a language model says which of two paths is better, asked in both orders so that their places cancel.

A preference model that is given takes the language model's place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from reflectree.agents import prompts
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import (
    NEUTRAL,
    Asking,
    Score,
    ScoreError,
    Waiting,
    capped,
    checked,
    repeated,
    settings_of,
)
from reflectree.agents.evaluators.reading import unreadable
from reflectree.models.base import Choice, PreferenceModel, Request
from reflectree.rlm_ops.arrays import ROOT
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.formulas import cancel_position_bias
from reflectree.rlm_ops.parsing import parse_preference
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.structure import ReasoningStructure

ALTERNATIVES = 5
"""Log-probabilities asked for beside the letter: the other letter's is among them."""

_LETTER = re.compile(r" ?([AB])(?=\s*\Z|[ ]*[\n.,:;)])")
_WORTH = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class PairwiseEvaluator(Waiting):
    """Which of two paths is better, without position bias.

    A call of two nodes gives P(first better than second), the mean of `P(a > b | a first)` and
    `1 - P(b > a | b first)`. A call of one node gives the mean preference over its siblings; comparisons that the
    structure knows are not made again. An only child is neutral, and nobody is asked.
    """

    settings: Evaluate = field(default_factory=Evaluate)
    model: PreferenceModel | None = None

    @property
    def source(self) -> str:
        """Who says so."""
        return "pairwise" if self.model is None else "preference-model"

    @property
    def compares(self) -> bool:
        """It scores calls of two nodes."""
        return True

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Ask in both orders."""
        asking = Asking(run, self.settings.model)
        if len(call.nodes) > 1:
            value = await self._compare(path, run.structure.path(call.nodes[1]), call, run, asking)
            return Score(capped(value), usage=asking.usage)
        return await self._among_siblings(path, call, run, asking)

    async def _among_siblings(self, path: Path, call: Call, run: AgentRun, asking: Asking) -> Score:
        """The mean preference over siblings; what is known when the budget or the model gives up still counts."""
        structure, node = run.structure, call.nodes[0]
        known: list[float] = []
        for sibling in _siblings(structure, node):
            preference = structure.better(node, sibling)
            if preference is None:
                try:
                    preference = await self._compare(path, structure.path(sibling), call, run, asking)
                except ScoreError:
                    if not known:
                        raise
                    break
            known.append(preference)
        if not known:
            return Score(NEUTRAL, "no sibling to compare with")
        return Score(capped(fmean(known)), f"compared with {len(known)} of its siblings", asking.usage)

    async def _compare(self, a: Path, b: Path, call: Call, run: AgentRun, asking: Asking) -> float:
        """P(a better than b) from both orders."""
        if self.model is not None:
            return cancel_position_bias(*await _preferred(self.model, [(a, b), (b, a)]))
        seed = call.seed(run.seed)
        forth = await self._prefer(a, b, seed, asking)
        back = await self._prefer(b, a, seed, asking)
        return cancel_position_bias(forth, back)

    async def _prefer(self, first: Path, second: Path, seed: int, asking: Asking) -> float:
        """P(first better than second), the first being shown first; the mean of the repeats."""
        request = Request(
            prompts.comparing(first.task, first, second, self.settings.rubric), seed=seed, top_logprobs=ALTERNATIVES
        )
        samples = await asking.samples(
            repeated(request, self.settings), lambda choice: unreadable(choice, preference_in(choice), "preference")
        )
        return fmean(said for sample in samples if (said := preference_in(sample)) is not None)


async def _preferred(model: PreferenceModel, pairs: Sequence[tuple[Path, Path]]) -> list[float]:
    """What a preference model says of pairs.

    Raises:
        ScoreError: It failed, or gave something else than one score a pair.
    """
    try:
        given = list(await model.prefer(pairs))
    except (ModelError, TypeError) as error:
        raise ScoreError(str(error)) from error
    if len(given) != len(pairs):
        raise ScoreError(f"the model {model.name} gave {len(given)} preferences for {len(pairs)} pairs")
    return [checked(preference) for preference in given]


def preference_in(choice: Choice) -> float | None:
    """P(A better than B) as a reply has it; `None` where it says nothing.

    From the first token's log-probability where that is the letter: the letter's probability over that of it and the
    best alternative, which a model that was asked for A or B takes to be the other one. Else 1, 0, or .5 for a tie.
    """
    letter = _LETTER.match(choice.text)
    logprobs = choice.token_logprobs
    if letter is not None and logprobs and not choice.reasoning and math.isfinite(logprobs[0]):
        written = min(logprobs[0], 0.0)
        others = _others(written, choice.alternatives[0] if choice.alternatives else ())
        chance = math.exp(written)
        if others:
            chance = 1.0 / (1.0 + math.exp(min(max(others) - written, 700.0)))
        return chance if letter[1] == "A" else 1.0 - chance
    if letter is not None:
        return 1.0 if letter[1] == "A" else 0.0
    verdict = parse_preference(choice.text)
    return None if verdict is None else _WORTH[verdict]


def _others(written: float, alternatives: tuple[float, ...]) -> list[float]:
    """The alternatives without the written token, as finite numbers."""
    others = [other for other in alternatives if math.isfinite(other)]
    same = next((other for other in others if abs(other - written) < 1e-6), None)
    if same is not None:
        others.remove(same)
    return others


def _siblings(structure: ReasoningStructure, node: int) -> list[int]:
    """The node's siblings that are still in the search."""
    if node == ROOT:
        return []
    return [
        sibling
        for sibling in structure.children[structure.parents[node][0]]
        if sibling != node and structure.steps[sibling].status in ("open", "terminal")
    ]


def pairwise(repeats: int = 1, rubric: str | None = None, model: PreferenceModel | None = None) -> PairwiseEvaluator:
    """A comparison of two paths in both orders, each asked so many times; or by a preference model.

    Raises:
        BadInput: `model` is no preference model.
    """
    if model is not None and not is_preference_model(model):
        raise BadInput(f"evaluators.pairwise(model={model!r}): give a model which has `async def prefer(pairs)`")
    given = {} if rubric is None else {"rubric": rubric}
    return PairwiseEvaluator(settings_of(kind="pairwise", repeats=repeats, **given), model)


def is_preference_model(given: object) -> bool:
    """Whether it compares paths."""
    return not isinstance(given, type) and callable(getattr(given, "prefer", None))
