"""`score_model`: a language model says what a reply is worth, as a number in a stated range."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from reflectree.models.base import Choice, Message, Request
from reflectree.models.calling import Caller
from reflectree.rlm_ops.errors import ModelError
from reflectree.training.graders.base import Fields, Grade, GraderFailed, fill

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
SCORE_SCHEMA = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "result": {"type": "number"}},
    "required": ["reasoning", "result"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """A conversation of the description's own, with the task and the reply filled in as data."""

    name: str
    turns: tuple[Message, ...]
    caller: Caller
    range: tuple[float, float] = (0.0, 1.0)
    pass_threshold: float | None = None
    seed: int | None = None
    max_tokens: int = 512
    schema: dict[str, object] = field(default_factory=lambda: dict(SCORE_SCHEMA))

    async def grade(self, item: Fields, sample: Fields) -> Grade:
        """Ask."""
        low, high = self.range
        turns = tuple(Message(turn.role, fill(turn.content, item, sample)) for turn in self.turns)
        request = Request(
            turns, max_tokens=self.max_tokens, temperature=0.0, seed=self.seed, json_schema=dict(self.schema)
        )
        try:
            outcome = await self.caller.call(request, lambda choice: _problem(choice, low, high))
        except ModelError as error:
            raise GraderFailed(f"the grader {self.name} cannot reach its model: {error}") from error
        (said,) = outcome.samples
        if isinstance(said, str):
            raise GraderFailed(f"the grader {self.name} gave no score: {said}")
        score = _read(said.text)
        assert score is not None
        passed = score if self.pass_threshold is None else float(score >= self.pass_threshold)
        return Grade(passed, {"score": score}, outcome.usage)


def _read(text: str) -> float | None:
    """The number after `result`, else the last one."""
    _, said, after = text.rpartition('"result"')
    found = _NUMBER.search(after) if said else None
    numbers = _NUMBER.findall(text)
    return float(found[0]) if found else float(numbers[-1]) if numbers else None


def _problem(choice: Choice, low: float, high: float) -> str | None:
    score = _read(choice.text)
    if score is None:
        return "it holds no number"
    return None if low <= score <= high else f"{score} is outside {low}..{high}"
