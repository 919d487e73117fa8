"""`judge`: a language model gives a path one score with a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

from reflectree.agents import prompts
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Asking, Score, Waiting, capped, repeated, settings_of
from reflectree.agents.evaluators.reading import LEAST, first_said, read_grade, unreadable, value_of_grade
from reflectree.models.base import Request
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path


@dataclass(frozen=True, slots=True)
class JudgeEvaluator(Waiting):
    """A language model with a rubric, asked for JSON; the role `judge` names the model, or the policy judges itself.

    Grades 1 to 10 become values 0 to `JUDGE_CEILING`; of repeated ones the mean counts.
    """

    settings: Evaluate = field(default_factory=Evaluate)
    source: str = "judge"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Ask the judge."""
        settings = self.settings
        request = Request(
            prompts.judging(path, settings.rubric), seed=call.seed(run.seed), json_schema=prompts.JUDGE_SCHEMA
        )
        asking = Asking(run, settings.model)
        samples = await asking.samples(
            repeated(request, settings), lambda choice: unreadable(choice, read_grade(choice.text), "score")
        )
        grades = [read_grade(sample.text) or (LEAST, "") for sample in samples]
        value = fmean(value_of_grade(grade) for grade, _ in grades)
        return Score(capped(value), first_said(reason for _, reason in grades), asking.usage)


def judge(rubric: str | None = None, repeats: int = 1) -> JudgeEvaluator:
    """A judge with a rubric of your own; with `repeats`, the mean of so many samples."""
    return JudgeEvaluator(settings_of(repeats=repeats, **({} if rubric is None else {"rubric": rubric})))
