"""What learns from runs with a model: reflector, curator, concept learner, skill extractor, sheet writer, judge.

Each way to learn says what it asks and how it reads the reply; one function carries all of them out. They propose
items, as data; what becomes of a proposal is decided by the pure rules of `reflectree.memory.learning`.
"""

from __future__ import annotations

from collections.abc import Mapping

from reflectree.agents.memory.base import Episode, Known, Verdict, Way, learn
from reflectree.agents.memory.concepts import ConceptLearner
from reflectree.agents.memory.curator import Curator, SheetWriter
from reflectree.agents.memory.judge import OutcomeJudge
from reflectree.agents.memory.reflector import Contrast, Reflector
from reflectree.agents.memory.skills import SkillExtractor

WAYS: Mapping[str, Way] = {
    "judge": OutcomeJudge(),
    "reflect": Reflector(),
    "contrast": Contrast(),
    "curate": Curator(),
    "sheet": SheetWriter(),
    "concepts": ConceptLearner(),
    "skill": SkillExtractor(),
}
"""The ways to learn that ask a model, by the name a blueprint gives them."""

__all__ = [
    "WAYS",
    "ConceptLearner",
    "Contrast",
    "Curator",
    "Episode",
    "Known",
    "OutcomeJudge",
    "Reflector",
    "SheetWriter",
    "SkillExtractor",
    "Verdict",
    "Way",
    "learn",
]
