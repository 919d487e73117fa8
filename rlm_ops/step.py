"""The unit of thought and the way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reflectree.rlm_ops.task import Task

Granularity = Literal["token", "step", "solution"]
Status = Literal["open", "terminal", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """A unit of thought.

    Attributes:
        text: What was thought, in words.
        granularity: How much of a solution one step is.
        status: `open` may be continued, `terminal` holds an answer, `pruned` and `failed` are left alone.
        answer: The answer a terminal step gives, as extracted; votes and verifiers normalise it themselves.
    """

    text: str
    granularity: Granularity = "step"
    status: Status = "open"
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """The steps from the root to a node, with their task: what an evaluator scores and a prompt is built from."""

    task: Task
    steps: tuple[Step, ...] = ()

    @property
    def text(self) -> str:
        """The steps' texts, one a line."""
        return "\n".join(step.text for step in self.steps)

    @property
    def answer(self) -> str | None:
        """The answer of the last step, if it is terminal."""
        return self.steps[-1].answer if self.steps else None
