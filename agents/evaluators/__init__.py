"""Evaluators: what gives a path its value in [0, 1], one module a kind.

`function(fn)`, `verifier(v)`, `judge(rubric)`, `rollouts(n)` and their like make them. A local evaluator scores at
once; the others wait: for a model on the run's budget, for tests, for a value model. Only verifiers, tests and a user's
own function give 1.0. A user's function that raises, or returns what is no score, fails that one node.
"""

from reflectree.agents.evaluators.base import (
    JUDGE_CEILING,
    NEUTRAL,
    Evaluator,
    GroupEvaluator,
    Score,
    ScoreError,
    ScoreFunction,
    checked,
)
from reflectree.agents.evaluators.choosing import choose, choose_all, evaluator_of, resolved
from reflectree.agents.evaluators.comparing import PairwiseEvaluator, pairwise
from reflectree.agents.evaluators.confident import ConfidenceEvaluator, confidence
from reflectree.agents.evaluators.discriminating import DiscriminateEvaluator
from reflectree.agents.evaluators.functional import FunctionEvaluator, function
from reflectree.agents.evaluators.grading import RubricEvaluator, rubric
from reflectree.agents.evaluators.judging import JudgeEvaluator, judge
from reflectree.agents.evaluators.observing import DifficultyEvaluator, FinishedEvaluator
from reflectree.agents.evaluators.sampling import RolloutEvaluator, rollouts
from reflectree.agents.evaluators.scoring import RewardEvaluator, ValueEvaluator, reward, value
from reflectree.agents.evaluators.verifying import VerifierEvaluator, VisibleTests, tests, verifier
from reflectree.agents.evaluators.voting import VoteEvaluator, vote
from reflectree.agents.evaluators.weighing import ScaleEvaluator, scale

__all__ = [
    "JUDGE_CEILING",
    "NEUTRAL",
    "ConfidenceEvaluator",
    "DifficultyEvaluator",
    "DiscriminateEvaluator",
    "Evaluator",
    "FinishedEvaluator",
    "FunctionEvaluator",
    "GroupEvaluator",
    "JudgeEvaluator",
    "PairwiseEvaluator",
    "RewardEvaluator",
    "RolloutEvaluator",
    "RubricEvaluator",
    "ScaleEvaluator",
    "Score",
    "ScoreError",
    "ScoreFunction",
    "ValueEvaluator",
    "VerifierEvaluator",
    "VisibleTests",
    "VoteEvaluator",
    "checked",
    "choose",
    "choose_all",
    "confidence",
    "evaluator_of",
    "function",
    "judge",
    "pairwise",
    "resolved",
    "reward",
    "rollouts",
    "rubric",
    "scale",
    "tests",
    "value",
    "verifier",
    "vote",
]
