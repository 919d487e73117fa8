"""`difficulty` and `finished`: a language model observes something that is no value, and is not backed up."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

from reflectree.agents import prompts
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Asking, Score, Waiting, repeated
from reflectree.agents.evaluators.reading import first_said, read_finished, read_grade, unreadable, value_of_grade
from reflectree.models.base import Request
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path

_DIFFICULTY_KEYS = ("difficulty", "score", "grade")


class Observing(Waiting):
    """What observations have in common: they are put aside."""

    __slots__ = ()

    @property
    def aside(self) -> bool:
        """They are no values."""
        return True


@dataclass(frozen=True, slots=True)
class DifficultyEvaluator(Observing):
    """A model's estimate of how hard the task is: 0 is easy, 1 is hardest. Ask it of node 0; steps do not matter."""

    settings: Evaluate = field(default_factory=Evaluate)
    source: str = "difficulty"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Ask for an estimate."""
        request = Request(prompts.estimating(path.task), seed=call.seed(run.seed), json_schema=prompts.ESTIMATE_SCHEMA)
        asking = Asking(run, self.settings.model)
        samples = await asking.samples(
            repeated(request, self.settings),
            lambda choice: unreadable(choice, read_grade(choice.text, _DIFFICULTY_KEYS), "difficulty"),
        )
        grades = [said for sample in samples if (said := read_grade(sample.text, _DIFFICULTY_KEYS)) is not None]
        value = fmean(value_of_grade(grade) for grade, _ in grades)
        return Score(value, first_said(reason for _, reason in grades), asking.usage)


@dataclass(frozen=True, slots=True)
class FinishedEvaluator(Observing):
    """ReST-MCTS*'s reflection call (arXiv 2406.03816): is the solution finished? 1 or 0, or the share of the repeats.

    A path that states its answer is, and nobody is asked.
    """

    settings: Evaluate = field(default_factory=Evaluate)
    source: str = "finished"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Ask whether it is finished."""
        if path.answer is not None:
            return Score(1.0, "it states its answer")
        if not path.steps:
            return Score(0.0, "it is not begun")
        request = Request(prompts.finishing(path), seed=call.seed(run.seed), json_schema=prompts.FINISH_SCHEMA)
        asking = Asking(run, self.settings.model)
        samples = await asking.samples(
            repeated(request, self.settings),
            lambda choice: unreadable(choice, read_finished(choice.text), "yes or no"),
        )
        said = [answer for sample in samples if (answer := read_finished(sample.text)) is not None]
        return Score(fmean(yes for yes, _ in said), first_said(reason for _, reason in said), asking.usage)
