"""`confidence`: the policy's confidence in the tokens of the path's last step (Marco-o1, arXiv 2411.14405)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import NEUTRAL, Evaluator, Score, capped, settings_of
from reflectree.agents.evaluators.judging import JudgeEvaluator
from reflectree.agents.evaluators.sampling import RolloutEvaluator
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.settings import Evaluate, Generate
from reflectree.rlm_ops.step import Path


@dataclass(frozen=True, slots=True)
class ConfidenceEvaluator:
    """The confidence that stands beside the last step; where there is none, what the settings fall back on."""

    settings: Evaluate = field(default_factory=Evaluate)
    generate: Generate = field(default_factory=Generate)
    source: str = "confidence"

    @property
    def local(self) -> bool:
        """Whether nobody is ever asked."""
        return self.settings.fallback == "neutral"

    def score_now(self, path: Path) -> Score:
        """The last step's confidence, or neutral."""
        confidence = _known(path)
        return Score(NEUTRAL, "no log-probabilities") if confidence is None else Score(capped(confidence))

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """The last step's confidence, or what a judge or rollouts say."""
        if self.local or _known(path) is not None:
            return self.score_now(path)
        return await self._fallback().score(path, call, run)

    def _fallback(self) -> Evaluator:
        if self.settings.fallback == "judge":
            return JudgeEvaluator(self.settings)
        return RolloutEvaluator(self.settings, self.generate)


def _known(path: Path) -> float | None:
    """The last step's confidence, if it is one."""
    confidence = path.steps[-1].confidence if path.steps else None
    return confidence if confidence is not None and math.isfinite(confidence) and 0.0 <= confidence <= 1.0 else None


def confidence(fallback: Literal["judge", "rollouts", "neutral"] = "judge") -> ConfidenceEvaluator:
    """The policy's confidence; the generator must ask for it (`operators.generate.alternatives`, Marco-o1 takes 5)."""
    return ConfidenceEvaluator(settings_of(kind="confidence", fallback=fallback))
