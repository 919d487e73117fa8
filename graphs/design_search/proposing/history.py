"""What a search has found, in words: designs with their values, what edits led to, and what was said of a run.

Everything here is data of earlier steps; whoever puts it into a prompt fences it.
"""

from __future__ import annotations

from collections.abc import Iterable

from reflectree.graphs.design_search.designs import BadDesign, difference
from reflectree.graphs.design_search.proposals import Context, design_of
from reflectree.rlm_ops.structure import ReasoningStructure

MOST_FEEDBACK = 6000
"""Characters of feedback that are shown."""
MOST_EDITS = 24
"""Edits of a parent that are shown, the latest ones."""


def shown_value(structure: ReasoningStructure, node: int) -> str:
    """A design's validation mean in hundredths, as OPRO's buckets; `unknown` while it is not measured."""
    value = structure.value(node)
    return "unknown" if value is None else str(round(100 * value))


def ranked(structure: ReasoningStructure, nodes: Iterable[int]) -> list[int]:
    """Designs in ascending order of value, those without one first."""
    return sorted(nodes, key=lambda node: (-1.0 if structure.value(node) is None else structure.value(node), -node))


def listed(structure: ReasoningStructure, nodes: Iterable[int]) -> str:
    """Designs with their values, in the order given."""
    return "\n\n".join(
        f"value {shown_value(structure, node)}:\n{structure.steps[node].answer or structure.steps[node].text}"
        for node in nodes
    )


def feedback(structure: ReasoningStructure, node: int, how: str = "") -> str:
    """What was said of a design's run (plain, or the observation named), cut to a size that a prompt can hold."""
    text = structure.remarks.get((node, how), "")
    return text if len(text) <= MOST_FEEDBACK else text[:MOST_FEEDBACK] + "\n(cut)"


def experience(structure: ReasoningStructure, node: int, context: Context) -> tuple[str, str]:
    """Edits of a design that helped, and edits that did not: one line each, with what was changed and why.

    An edit helped if its child's value is higher. This is what a proposer is told, and decides nothing.
    """
    before = structure.value(node)
    helped: list[str] = []
    failed: list[str] = []
    for child in structure.offspring(node, "refine")[-MOST_EDITS:]:
        after = structure.value(child)
        line = f"{_change(structure, node, child, context)} (value {shown_value(structure, node)} -> "
        if after is None:
            failed.append(line + ("not measured)" if structure.steps[child].status == "pruned" else "failed)"))
        else:
            (helped if after > (before or 0.0) else failed).append(line + f"{round(100 * after)})")
    lost = structure.failures.get(("refine", (node,)), 0)
    if lost:
        failed.append(f"{lost} edits could not be used: they were invalid, or made a design that there was already")
    return "\n".join(helped), "\n".join(failed)


def lineage(structure: ReasoningStructure, node: int) -> int:
    """How many edits led to a design."""
    return sum(structure.ops[ancestor] in ("refine", "aggregate") for ancestor in structure.ancestors(node) if ancestor)


def _change(structure: ReasoningStructure, node: int, child: int, context: Context) -> str:
    """What an edit changed, and why."""
    try:
        change = difference(design_of(structure, node, context), design_of(structure, child, context))
    except BadDesign:
        change = ""
    note = structure.notes.get(child, "")
    parts = [" ".join(change.split()), "" if note == change else " ".join(note.split())]
    return "- " + "; ".join(part for part in parts if part)


__all__ = ["experience", "feedback", "lineage", "listed", "ranked", "shown_value"]
