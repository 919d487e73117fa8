"""An evaluator and self-consistency, mixed as in LATS: `V = lambda * LM + (1 - lambda) * SC` (arXiv 2310.04406, 4.2).

LM is what the evaluator says. SC is the share of the samples drawn at the same node that say the same as this one:
repetitions that were pruned are counted, so it costs nothing. Whether all samples are there when a node is valued is
the strategy's business (`expand: together`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Evaluator, GroupEvaluator, Score, ScoreError, Waiting, capped
from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.commands import read_command
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


@dataclass(frozen=True, slots=True)
class MixedEvaluator(Waiting):
    """An evaluator whose values are mixed with self-consistency.

    An answer that the evaluator is certain of stays certain; a comparison of two nodes, and a node that is no sample
    of its parent's, keep the evaluator's value.

    Attributes:
        inner: The evaluator.
        consistency: The weight of self-consistency, `1 - lambda`.
    """

    inner: Any
    consistency: float

    @property
    def source(self) -> str:
        """Who says so."""
        return f"{self.inner.source}+consistency"

    @property
    def compares(self) -> bool:
        """As the inner evaluator."""
        return bool(getattr(self.inner, "compares", False))

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """The inner evaluator's value, mixed."""
        score = self.inner.score_now(path) if self.inner.local else await self.inner.score(path, call, run)
        return self._mixed(score, path, call, run)

    def _mixed(self, score: Score, path: Path, call: Call, run: AgentRun) -> Score:
        node, *other = call.nodes
        share = None if other else self_consistency(run.structure, node)
        if share is None or (path.answer is not None and score.value >= 1.0):
            return score
        value = (1.0 - self.consistency) * score.value + self.consistency * share
        said = f"{score.value:.2f}, and {share:.2f} of the samples say so"
        return replace(score, value=capped(value), note=f"{said}: {score.note}" if score.note else said)


@dataclass(frozen=True, slots=True)
class MixedGroupEvaluator(MixedEvaluator):
    """The same for one that scores a batch together."""

    async def score_group(
        self, paths: Sequence[Path], calls: Sequence[Call], run: AgentRun
    ) -> Sequence[Score | ScoreError]:
        """The batch's values, mixed; what is no score stays none."""
        scores = await self.inner.score_group(paths, calls, run)
        return [
            score if isinstance(score, ScoreError) else self._mixed(score, path, call, run)
            for score, path, call in zip(scores, paths, calls, strict=True)
        ]


def mixed(inner: Evaluator, consistency: float) -> Evaluator:
    """The evaluator with self-consistency of this weight; one that only observes gives no value, and stays as it is."""
    if not consistency or getattr(inner, "aside", False):
        return inner
    kind = MixedGroupEvaluator if isinstance(inner, GroupEvaluator) else MixedEvaluator
    return kind(inner, consistency)


def self_consistency(structure: ReasoningStructure, node: int) -> float | None:
    """The share of the samples at a node's parent that say the same as the node; `None` where it is no sample.

    The same is the same command, else the same answer, else the same words.
    """
    if node == ROOT:
        return None
    samples = structure.offspring(structure.parents[node][0], "generate")
    if node not in samples:
        return None
    said = _said(structure, node)
    return sum(_said(structure, sample) == said for sample in samples) / len(samples)


def _said(structure: ReasoningStructure, node: int) -> tuple[str, str]:
    """What a step comes to, told from what it is: an answer is no command of the same words."""
    step = structure.steps[node]
    command = read_command(step.text)
    if command is not None:
        return "command", command
    if step.answer is not None:
        return "answer", normalise(step.answer)
    return "words", " ".join(step.text.split()).casefold()
