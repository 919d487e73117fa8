"""An evaluator behind a check of form: an answer that is not wanted scores 0, and any other what the evaluator says.

A path without an answer is always the evaluator's. What is wanted is the caller's to say, and whether an answer is
good the evaluator's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reflectree.agents.attempts import Wanted
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Evaluator, GroupEvaluator, Score, ScoreError
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.step import Path


@dataclass(frozen=True, slots=True)
class GatedEvaluator:
    """An evaluator that is asked of wanted answers only."""

    inner: Any
    wanted: Wanted

    @property
    def source(self) -> str:
        """The inner evaluator's: what stops at the gate says so in its note."""
        return str(self.inner.source)

    @property
    def local(self) -> bool:
        """As the inner evaluator."""
        return bool(self.inner.local)

    @property
    def compares(self) -> bool:
        """As the inner evaluator."""
        return bool(getattr(self.inner, "compares", False))

    def score_now(self, path: Path) -> Score:
        """A score at once."""
        return self._refused(path) or self.inner.score_now(path)

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """A score that may wait."""
        return self._refused(path) or await self.inner.score(path, call, run)

    def _refused(self, path: Path) -> Score | None:
        problem = None if path.answer is None else self.wanted(path.answer)
        return None if problem is None else Score(0.0, problem)


@dataclass(frozen=True, slots=True)
class GatedGroupEvaluator(GatedEvaluator):
    """The same for one that scores a batch together."""

    async def score_group(
        self, paths: Sequence[Path], calls: Sequence[Call], run: AgentRun
    ) -> Sequence[Score | ScoreError]:
        """Scores in order; those that stop at the gate are not shown to the evaluator."""
        scores: list[Score | ScoreError | None] = [self._refused(path) for path in paths]
        open_ = [at for at, score in enumerate(scores) if score is None]
        if open_:
            found = await self.inner.score_group([paths[at] for at in open_], [calls[at] for at in open_], run)
            for at, score in zip(open_, found, strict=True):
                scores[at] = score
        return [score for score in scores if score is not None]


def gated(inner: Evaluator, wanted: Wanted) -> Evaluator:
    """The evaluator behind the check; one that only observes values nothing, and stays as it is."""
    if getattr(inner, "aside", False):
        return inner
    kind = GatedGroupEvaluator if isinstance(inner, GroupEvaluator) else GatedEvaluator
    return kind(inner, wanted)
