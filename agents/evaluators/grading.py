"""`rubric`: a language model grades a path by several criteria, all in one reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from reflectree.agents import prompts
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Asking, Score, Waiting, capped, repeated, settings_of
from reflectree.agents.evaluators.reading import LEAST, MOST, first_said, read_reason, unreadable, value_of_grade
from reflectree.models.base import Request
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.parsing import json_objects, parse_grades
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path


@dataclass(frozen=True, slots=True)
class RubricEvaluator(Waiting):
    """A language model that gives one grade a criterion, in one reply; the value is their mean."""

    settings: Evaluate
    source: str = "rubric"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Ask the judge."""
        settings = self.settings
        names = tuple(settings.criteria)
        request = Request(
            prompts.grading(path, settings.criteria),
            seed=call.seed(run.seed),
            json_schema=prompts.grade_schema(names),
        )
        asking = Asking(run, settings.model)
        samples = await asking.samples(
            repeated(request, settings),
            lambda choice: unreadable(choice, read_grades(choice.text, names), "grade for each criterion"),
        )
        sheets = [read_grades(sample.text, names) or {} for sample in samples]
        means = {name: fmean(sheet[name] for sheet in sheets) for name in names}
        reason = first_said(read_reason(found) for sample in samples for found in json_objects(sample.text))
        note = ", ".join(f"{name} {grade:g}" for name, grade in means.items())
        value = fmean(map(value_of_grade, means.values()))
        return Score(capped(value), f"{note}: {reason}" if reason else note, asking.usage)


def read_grades(text: str, names: Sequence[str]) -> dict[str, float] | None:
    """The grades of a rubric, all of them between 1 and 10; else `None`."""
    grades = parse_grades(text, names)
    fits = grades is not None and all(LEAST <= grade <= MOST for grade in grades.values())
    return grades if fits else None


def rubric(criteria: Mapping[str, str], repeats: int = 1) -> RubricEvaluator:
    """A judge that grades by several criteria: names, each with what it asks.

    Raises:
        BadInput: There is no criterion, or two have the same name but for letter case and spaces.
    """
    return check_criteria(RubricEvaluator(settings_of(kind="rubric", criteria=dict(criteria), repeats=repeats)))


def check_criteria(evaluator: RubricEvaluator) -> RubricEvaluator:
    """The evaluator, if its criteria can be asked for.

    Raises:
        BadInput: They cannot.
    """
    criteria = evaluator.settings.criteria
    if not criteria:
        raise BadInput("a rubric needs criteria, for example {'correct': 'Is each step correct?'}")
    if any(not name.strip() for name in criteria):
        raise BadInput("a rubric's criteria need names")
    parse_grades("", tuple(criteria))  # refuses names that a reply could not tell apart
    return evaluator
