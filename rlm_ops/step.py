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
        confidence: The policy's confidence in its own tokens, in [0, 1]; `None` where it gave no log-probabilities.
    """

    text: str
    granularity: Granularity = "step"
    status: Status = "open"
    answer: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """The steps from the root to a node, with their task: what an evaluator scores and a prompt is built from.

    A step that stands in another's place (a refinement, a merge) replaces it here: the path is what would be read as
    one solution, not the history of how it came about.

    Attributes:
        task: The task.
        steps: The steps in order.
        notes: What the run has learnt about the task so far, in words: the enriched root.
    """

    task: Task
    steps: tuple[Step, ...] = ()
    notes: str = ""

    @property
    def text(self) -> str:
        """The steps' texts, one a line; those of token granularity run on."""
        return self.joined().removesuffix("\n")

    def joined(self, delimiter: str = "\n") -> str:
        """The steps' texts, each ended by `delimiter`; those of token granularity are left as they were cut."""
        return "".join(step.text if step.granularity == "token" else step.text + delimiter for step in self.steps)

    @property
    def answer(self) -> str | None:
        """The answer of the last step, if it is terminal."""
        return self.steps[-1].answer if self.steps else None
