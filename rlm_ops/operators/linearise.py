"""Tree to chain: the best path, or the journey to it with its wrong turns (Journey Learning, O1 Replication Journey).

A journey walks the tree depth first towards an answer. At each node it first enters up to k failed attempts, says why
each is wrong, goes back, and then takes the step that leads on. With k = 0 it is the shortcut: the best path alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from reflectree.rlm_ops.operators.prune import normalised
from reflectree.rlm_ops.structure import ReasoningStructure

_ANSWER_LINE = re.compile(r"^(\W*(?:final\s+)?)answer\s*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of a journey.

    Attributes:
        node: The node where it is: the step taken, or the step that is given up.
        depth: How many steps from the root that node stands, the first step at 1.
        text: What is thought.
        back: The node it goes back to; `None` where it takes a step.
    """

    node: int
    depth: int
    text: str
    back: int | None = None


@dataclass(slots=True)
class Visited:
    """A step of the tree that a journey shows, with those tried below it, in order."""

    node: int
    below: list[Visited] = field(default_factory=list)


def journey(structure: ReasoningStructure, node: int, failures: int = 1) -> list[Moment]:
    """The moments on the way to a node, with at most `failures` failed attempts at each step."""
    moments: list[Moment] = []
    for depth, step in enumerate(structure.read_ids(node), 1):
        for wrong in _wrong_turns(structure, step, failures):
            moments.extend(_detour(structure, wrong, depth, structure.after[step]))
        moments.append(Moment(step, depth, structure.steps[step].text))
    return moments


def _wrong_turns(structure: ReasoningStructure, step: int, most: int) -> list[int]:
    """Siblings of a step that failed: pruned, left, failed, or worth less than it; those tried first come first."""
    siblings = structure.children[structure.after[step]]
    bar = structure.q(step)
    said = {normalised(structure.steps[step].text)}  # what repeats the right step, or a wrong one told, tells nothing
    wrong = []
    for sibling in siblings:
        text = normalised(structure.steps[sibling].text)
        if sibling != step and text not in said and _is_wrong(structure, sibling, bar):
            said.add(text)
            wrong.append(sibling)
    return wrong[:most]


def _is_wrong(structure: ReasoningStructure, node: int, bar: float | None) -> bool:
    if structure.ops[node] == "restructure" or not structure.steps[node].text.strip():
        return False
    if node in structure.left or structure.steps[node].status in ("pruned", "failed"):
        return True
    value = structure.q(node)
    return value is not None and bar is not None and value < bar


def _detour(structure: ReasoningStructure, start: int, depth: int, back: int) -> list[Moment]:
    """Follow a wrong turn to the end of its most promising line, and give it up there."""
    moments, node = [], start
    while True:
        moments.append(Moment(node, depth, _told_as_wrong(structure.steps[node].text)))
        onward = [child for child in structure.children[node] if structure.ops[child] != "restructure"]
        if not onward:
            break
        node = max(onward, key=lambda child: (structure.q(child) or 0.0, -child))
        depth += 1
    reason = _reason(structure, node)
    moments.append(Moment(node, depth, f"Wrong, because {reason}. Go back.", back))
    return moments


def _reason(structure: ReasoningStructure, node: int) -> str:
    """Why a line is given up, in the words of whoever said so."""
    note = structure.notes.get(node, "").strip().rstrip(".")
    if note:
        return " ".join(note.split())
    value = structure.q(node)
    return "it does not lead to the result" if value is None else f"it is worth only {value:.2f}"


def _told_as_wrong(text: str) -> str:
    """A step of a wrong line, in which no answer is stated as the answer."""
    return _ANSWER_LINE.sub(lambda match: f"{match[1]}candidate:", text)


def told(moments: Sequence[Moment]) -> str:
    """A journey as one text, a moment a line."""
    return "\n".join(moment.text for moment in moments)


def visited(moments: Sequence[Moment]) -> list[Visited]:
    """The tree that a journey walked: what `journey` and going back undo each other to.

    Returns:
        The first steps tried, in order, each with what was tried below it.
    """
    trunk: list[Visited] = []
    stack: list[Visited] = []
    for moment in moments:
        if moment.back is not None:
            while stack and stack[-1].node != moment.back:
                stack.pop()
            continue
        entry = Visited(moment.node)
        (stack[-1].below if stack else trunk).append(entry)
        stack.append(entry)
    return trunk


__all__ = ["Moment", "Visited", "journey", "told", "visited"]
