"""The conversation in which the policy writes the next step, or a whole solution."""

from __future__ import annotations

from reflectree.agents.prompts.common import question
from reflectree.models.base import Message
from reflectree.rlm_ops.step import Granularity, Path

SOLVE = STEPWISE = (
    "Solve the problem step by step, each step on a line of its own and each a small, checkable advance. "
    "When the result is reached, write one line of the form 'Answer: ...' that holds the final answer and nothing else."
)
"""The same for whole solutions and for steps: a comparison then differs in nothing else, and a prompt that a server has
read for the one need not be read again for the other."""


def solving(path: Path, granularity: Granularity) -> tuple[Message, ...]:
    """The conversation in which the policy writes the next step or a whole solution."""
    turns = [Message("system", SOLVE if granularity == "solution" else STEPWISE)]
    for example in path.task.examples:
        turns.append(Message("user", example.question))
        turns.append(Message("assistant", "\n".join((*example.steps, f"Answer: {example.answer}"))))
    turns.append(Message("user", question(path.task)))
    return tuple(turns)


def begun(path: Path) -> str:
    """The assistant's turn as far as it is written: the steps of the path, one a line."""
    return "".join(f"{step.text}\n" for step in path.steps)
