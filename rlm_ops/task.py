"""What is asked, and who may judge it.

A gold answer lives in the `Verifier`, never in the task's text, and nothing here hands it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from reflectree.rlm_ops.errors import BadInput

Form = Literal["line", "code", "text"]


@runtime_checkable
class Verifier(Protocol):
    """Judges a final answer."""

    @property
    def name(self) -> str:
        """What kind of check it is, without the gold answer."""
        ...

    @property
    def gold(self) -> bool:
        """Whether it knows the right answer.

        Search may use a verifier only if it does not (a rule of the game can be checked by anybody), or if
        `oracle=True` was asked for.
        """
        ...

    def score(self, answer: str) -> float:
        """How right `answer` is, in [0, 1]; 1 is right."""
        ...


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example shown before the task: question, reasoning steps, answer."""

    question: str
    steps: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Task:
    """A question, optionally with context, worked examples, tools and a verifier.

    Attributes:
        question: What is asked.
        context: Text to reason over; it is data, fenced in the prompt.
        examples: Worked examples, shown as earlier turns.
        tools: Names of the tools that may be used.
        verifier: Judges the answer; it is never shown to a model and never written to a trace.
        id: The task's name in its set.
        form: What an answer is: `line` (stated in an `Answer:` line or the like), `code` (a program in a code block) or
            `text` (free text: all that follows the first line that begins with `Answer:`).
    """

    question: str
    context: str = ""
    examples: tuple[Example, ...] = ()
    tools: tuple[str, ...] = ()
    verifier: Verifier | None = field(default=None, compare=False)
    id: str = ""
    form: Form = "line"

    def __post_init__(self) -> None:
        if not self.question.strip():
            raise BadInput("the task is empty: give a question, for example reflectree solve 'What is 6 times 7?'")

    @property
    def prose(self) -> str:
        """The question with its context above it: what a trained model reads."""
        return f"{self.context}\n\n{self.question}" if self.context else self.question
