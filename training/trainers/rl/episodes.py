"""What reinforcement learning learns from: problems, the solutions sampled for them, and the credit of each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reflectree.rlm_ops.errors import VerifierError
from reflectree.training.samples import Origin


@dataclass(frozen=True, slots=True)
class Problem:
    """A question that is to be solved.

    Attributes:
        question: The question, context included.
        id: Its name in its set.
    """

    question: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A solution as a policy wrote it, and what it got.

    Attributes:
        question: The question.
        steps: All steps, the given ones first.
        given: How many of them were given.
        answer: The answer it states, if it states one.
        reward: What it got.
        ended: The policy ended it itself; else it was cut at the limit.
        tokens: Tokens written.
    """

    question: str
    steps: tuple[str, ...]
    answer: str | None
    ended: bool
    tokens: int
    reward: float = 0.0
    given: int = 0


Group = Sequence[Written]
"""Solutions of one question."""

Grade = Callable[[Problem, Written], float]
"""What a solution is worth; raises `VerifierError` where it cannot be said: such a solution is left out, never a 0."""


def graded(grade: Grade, problem: Problem, written: Written) -> float | None:
    """The grade, or `None` where there is none."""
    try:
        return grade(problem, written)
    except VerifierError:
        return None


@dataclass(frozen=True, slots=True)
class Episode:
    """A solution with the advantage of each of its steps.

    Attributes:
        question: The question.
        steps: All steps.
        advantages: One number a step that is learnt; the end of the text shares the last one's.
        given: How many steps are read and not learnt.
        token_advantages: One number a learnt token, in place of those of the steps.
        returns: Targets of a critic, one a learnt token.
        ended: Whether the end of the text is learnt.
        origin: Where it comes from.
    """

    question: str
    steps: tuple[str, ...]
    advantages: tuple[float, ...]
    given: int = 0
    token_advantages: tuple[float, ...] | None = None
    returns: tuple[float, ...] | None = None
    ended: bool = True
    origin: Origin = field(default_factory=Origin)
