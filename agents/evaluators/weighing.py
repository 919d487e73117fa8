"""`scale`: a language model says in one of a few words how likely a path leads to a right answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from reflectree.agents import prompts
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Asking, Score, Waiting, capped, repeated, settings_of
from reflectree.agents.evaluators.reading import first_said, read_word, unreadable
from reflectree.models.base import Request
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path


@dataclass(frozen=True, slots=True)
class ScaleEvaluator(Waiting):
    """Tree of Thoughts' value prompt (arXiv 2305.10601): words such as sure, likely, impossible, each with a value.

    A path that cannot be right is worth 0: one that is as deep as paths may be and gives no answer, without a request;
    and one whose answer gets the word of the lowest value.
    """

    settings: Evaluate
    source: str = "scale"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Ask for words."""
        settings, structure = self.settings, run.structure
        if path.answer is None and structure.depth[call.nodes[0]] >= structure.depth_limit:
            return Score(0.0, "it is as long as it may be, and gives no answer")
        worth = settings.values
        if path.answer is not None:
            worth = {**worth, min(worth, key=lambda word: worth[word]): 0.0}
        request = Request(
            prompts.weighing(path, tuple(worth)), seed=call.seed(run.seed), json_schema=prompts.weigh_schema(worth)
        )
        asking = Asking(run, settings.model)
        samples = await asking.samples(
            repeated(request, settings),
            lambda choice: unreadable(choice, read_word(choice.text, worth), "word of the scale"),
        )
        words = [said for sample in samples if (said := read_word(sample.text, worth)) is not None]
        reason = first_said(reason for _, reason in words)
        note = ", ".join(word for word, _ in words)
        value = fmean(worth[word] for word, _ in words)
        return Score(capped(value), f"{note}: {reason}" if reason else note, asking.usage)


def scale(values: Mapping[str, float] | None = None, repeats: int = 1) -> ScaleEvaluator:
    """A scale of words, each with its value between 0 and 1; Tree of Thoughts' by default.

    Raises:
        BadInput: There are not two words, or a value is not between 0 and 1.
    """
    given = {} if values is None else {"values": dict(values)}
    return check_values(ScaleEvaluator(settings_of(kind="scale", repeats=repeats, **given)))


def check_values(evaluator: ScaleEvaluator) -> ScaleEvaluator:
    """The evaluator, if its words make a scale.

    Raises:
        BadInput: They do not.
    """
    values = evaluator.settings.values
    different = {word.strip().casefold() for word in values} - {""}
    if len(different) < max(2, len(values)):
        raise BadInput("a scale needs two different words or more, for example {'sure': 1.0, 'impossible': 0.0}")
    for word, value in values.items():
        if not 0.0 <= value <= 1.0:
            raise BadInput(f"a scale's values lie between 0 and 1, and {word!r} is worth {value}")
    return evaluator
