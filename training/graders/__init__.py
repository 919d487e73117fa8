"""Graders: what an answer is worth, said by a declarative description (reinforcement fine-tuning in the grader sense).

The five types of OpenAI's graders with the same fields and meaning, run here: `string_check`, `text_similarity`,
`python`, `score_model`, `multi`. A description is data (a dictionary, a JSON or YAML file), and is read by `grader`.
Three things are called RFT; this is reinforcement fine-tuning by graders. Rejection-sampling fine-tuning is
`reflectree.training.trainers.expert_iteration`, ReFT (warm-up, then PPO) is `reflectree.training.trainers.rl.reft`.
"""

from __future__ import annotations

from reflectree.training.graders.base import Grade, Grader, GraderFailed, sample_of
from reflectree.training.graders.read import grader

__all__ = ["Grade", "Grader", "GraderFailed", "grader", "sample_of"]
