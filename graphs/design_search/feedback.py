"""What went wrong with a design, in words: the failed examples with the answers given and what the verifier says.

The right answers are not among it: a verifier says how right an answer is, and keeps what it knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from reflectree.graphs.design_search.cache import Made
from reflectree.rlm_ops.task import Task

SHOWN = 4
"""Failed examples that are shown."""
QUESTION = 500
"""Characters of a question that are shown."""
ANSWER = 200
"""Characters of an answer that are shown."""


def feedback(tasks: Sequence[Task], made: Sequence[Made], shown: int = SHOWN) -> str:
    """The feedback on a design.

    Args:
        tasks: The examples.
        made: What it made of each, in the same order.
        shown: How many of the failed ones are told in full.
    """
    pairs = list(zip(tasks, made, strict=True))
    failed = [(task, one) for task, one in pairs if one.score < 1.0]
    lines = [tally(made)]
    for number, (task, one) in enumerate(failed[:shown], 1):
        lines.append(_told(number, task, one))
    if len(failed) > shown:
        lines.append(f"{len(failed) - shown} more failed.")
    return "\n".join(lines)


def tally(made: Sequence[Made]) -> str:
    """How many are right."""
    return f"{sum(one.score >= 1.0 for one in made)} of {len(made)} examples are right."


def _told(number: int, task: Task, made: Made) -> str:
    name = task.verifier.name if task.verifier is not None else "verifier"
    given = "no answer" if made.answer is None else short(made.answer, ANSWER)
    said = f"worth {made.score:.2f} of 1" if made.score > 0 else "wrong"
    ended = f" (the run ended by {made.stop})" if made.answer is None else ""
    asked = short(task.prose, QUESTION)
    return f"Failed example {number}.\nQuestion: {asked}\nAnswer given: {given}{ended}\n{name}: {said}"


def short(text: str, most: int) -> str:
    """The text, its middle left out where it is long."""
    text = text.strip()
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
