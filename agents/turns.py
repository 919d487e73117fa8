"""A turn of Coscientist: what its one command is, and whether the run's experiments allow it.

How many experiments were run is read off the structure, so a resumed run has not one more.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.one_command import EXPERIMENT, one_command
from reflectree.rlm_ops.parsing import Action
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

RAN = "Observation: "
"""How the note of a command that was carried out begins."""
FAULTS = (f"{RAN}error: ", f"{RAN}refused by ")
"""How the notes of those begin that were not, after all: a tool that raised, a safety check that refused."""


def turn(call: Call, structure: ReasoningStructure, settings: Enrich) -> Action | str:
    """The command of a step, or why nothing is carried out, in words for the model."""
    node = call.nodes[0]
    action = one_command(structure.steps[node].text)
    if isinstance(action, str) or settings.experiments is None or action.name.upper() != EXPERIMENT:
        return action
    run = sum(is_experiment(structure, other) for other in range(ROOT + 1, len(structure)) if other != node)
    if run >= settings.experiments:
        return f"all {settings.experiments} experiments are used up: give the answer"
    return action


def is_experiment(structure: ReasoningStructure, node: int) -> bool:
    """Whether an experiment was run at a node, or is being run."""
    note = structure.notes.get(node, "")
    ran = node in structure.versions and note.startswith(RAN) and not note.startswith(FAULTS)
    if not ran and not structure.busy("enrich", (node,)):
        return False
    action = one_command(ordered(structure, node))
    return isinstance(action, Action) and action.name.upper() == EXPERIMENT


def ordered(structure: ReasoningStructure, node: int) -> str:
    """A turn as the model wrote it, without what was observed."""
    text, note = structure.steps[node].text, structure.notes.get(node, "")
    return text.removesuffix(note).rstrip() if node in structure.versions and note else text
