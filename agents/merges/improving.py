"""`improve`, `versions`: a better one after those shown with what was measured of them.

The call's nodes are whole candidates, the best last. What was measured is shown in the problem's own numbers where it
has some; that they grow or fall from worst to best is the problem's business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reflectree.agents.merges.base import Merging
from reflectree.agents.prompts import discovering
from reflectree.agents.prompts.discovering import Shown
from reflectree.models.base import Message
from reflectree.rlm_ops.structure import ReasoningStructure

BUCKETS = 100
"""In how many steps a value in [0, 1] is shown, where the problem has no number of its own (OPRO)."""
MOST_NUMBERS = 8
"""Tests up to which each one's number is shown; of more, their mean."""
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w]|\.\d)")


def improve(merge: Merging) -> tuple[Message, ...]:
    """A new solution, better than those shown in ascending order of value (OPRO)."""
    structure, nodes = merge.structure, merge.call.nodes
    shown = [
        Shown(candidate(structure, node), value)
        for node, value in zip(nodes, shown_values(structure, nodes), strict=True)
    ]
    return discovering.improving(structure.path(merge.after), shown, merge.settings.instruction)


def versions(merge: Merging) -> tuple[Message, ...]:
    """The next version of a program, after v0, v1, ... with their scores (FunSearch)."""
    structure = merge.structure
    shown = [
        Shown(candidate(structure, node), shown_scores(structure, node), structure.remarks.get((node, ""), ""))
        for node in merge.call.nodes
    ]
    return discovering.versions(structure.path(merge.after), shown, merge.settings.instruction)


def candidate(structure: ReasoningStructure, node: int) -> str:
    """What a node proposes: its answer, or its whole text where it states none."""
    step = structure.steps[node]
    return step.text if step.answer is None else step.answer.strip("\n")


def shown_values(structure: ReasoningStructure, nodes: Sequence[int]) -> list[str]:
    """Each node's value as it is shown, all of them in the same unit.

    That is the one number that was measured, or the one number in the evaluator's remark; where a node has neither,
    all are shown by their values, in `BUCKETS` steps.
    """
    own = [_own_number(structure, node) for node in nodes]
    if all(number is not None for number in own):
        return [f"{number:.6g}" for number in own]
    return [str(round(BUCKETS * (structure.value(node) or 0.0))) for node in nodes]


def _own_number(structure: ReasoningStructure, node: int) -> float | None:
    scores = structure.scores.get((node, ""))
    if scores is not None:
        return scores[0] if len(scores) == 1 else None
    numbers = _NUMBER.findall(structure.remarks.get((node, ""), ""))
    return float(numbers[0]) if len(numbers) == 1 else None


def shown_scores(structure: ReasoningStructure, node: int) -> str:
    """What was measured of a node, one number a test; its value where nothing else was."""
    scores = structure.scores.get((node, ""))
    if not scores:
        value = structure.value(node)
        return "unknown" if value is None else f"{value:.4g}"
    if len(scores) > MOST_NUMBERS:
        return f"{sum(scores) / len(scores):.6g} (mean of {len(scores)} tests)"
    return ", ".join(f"{score:.6g}" for score in scores)
