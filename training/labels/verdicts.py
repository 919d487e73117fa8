"""What is known of the answers of a run: what a verifier says of them, or what the trace itself tells.

Only numbers leave this module. The gold answer stays with whoever gave the judge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Evaluated
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.trace import Trace

Judge: TypeAlias = Callable[[str], float]
"""What an answer is worth, in [0, 1]; a verifier's `score` is one."""

RIGHT = 1.0 - 1e-9
"""The outcome from which on an answer counts as right."""


def judged_answers(structure: ReasoningStructure, judge: Judge) -> dict[int, float]:
    """What a judge says of every answer; each is asked for once. Where it cannot say, nothing is known.

    Raises:
        BadInput: It says something outside [0, 1].
    """
    answers = {node: step.answer for node, step in enumerate(structure.steps) if node and step.answer is not None}
    said: dict[str, float] = {}
    for answer in sorted(set(answers.values())):
        try:
            value = float(judge(answer))
        except Exception:  # the boundary to a user's verifier: what it cannot judge is unknown, not wrong
            continue
        if not 0.0 <= value <= 1.0:
            raise BadInput(f"the verifier says {value} of an answer: it must say a number in [0, 1]")
        said[answer] = value
    return {node: said[answer] for node, answer in answers.items() if answer in said}


def told_answers(trace: Trace, structure: ReasoningStructure) -> dict[int, float]:
    """What the trace tells of its answers: evaluations by a verifier, and the verdict on the answer of the run.

    Every node that gives the run's answer shares its verdict; where no answer of the run was right, all are wrong.
    """
    sums: dict[int, list[float]] = {}
    for event in trace:
        if isinstance(event, Evaluated) and event.source == "verifier" and event.against == -1 and not event.aside:
            sums.setdefault(event.node, []).append(event.value)
    answers = {node: step.answer for node, step in enumerate(structure.steps) if node and step.answer is not None}
    found = {node: math.fsum(values) / len(values) for node, values in sums.items() if node in answers}
    end = structure.answered
    if end is None or end.correct is None:
        return found
    if end.in_structure is False:
        return {**dict.fromkeys(answers, 0.0), **found}
    given = None if end.answer is None else normalise(end.answer)
    same = {node: float(end.correct) for node, answer in answers.items() if normalise(answer) == given}
    return {**same, **found}
