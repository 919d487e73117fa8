"""Episodes in an environment as chains of a structure: thought and command, observation, and again, up to an end.

Each step is a node: the policy writes a thought and a command, *enrich* carries it out and adds what was observed.
An episode ends where the environment says so. One that comes to its step cap, gives too many bad commands in a row, or
can go no further is ended by an *enrich* of its own (`END`), which acts in nothing: its answer is the commands so far.
The functions here only read; who asks, and how many episodes there are, is the strategies' business.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import new_calls
from reflectree.rlm_ops.strategies.react import BAD_CALL
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

ACT, ACTION = "act", "action"
"""The variants of *generate*: a thought and a command; the command alone, where none could be read."""
END = "end"
"""The variant of *enrich* that ends an episode where it stands, and carries nothing out."""
CARRIED, REFUSED = "observed:", "refused:"
"""How the note of an observation begins where a command was carried out, and where it was refused and so was not.
One that was carried out and not understood has the mark of ReAct's bad calls. No tool can write these notes."""
WAYS = (ACT, ACTION, ACTION)
"""How a step is tried, the first way first and the others where it failed."""


def first_steps(structure: ReasoningStructure, episodes: int, slots: int) -> list[Call]:
    """Begin the episodes that have not begun; a first step that failed is tried again in the other way."""
    nodes = (ROOT,)
    missing = episodes - len(structure.children[ROOT]) - structure.busy("generate", nodes)
    left = episodes * len(WAYS) - structure.attempts("generate", nodes)
    calls: list[Call] = []
    index = structure.next_index("generate", nodes)
    failed = structure.failures.get(("generate", nodes), 0)
    while len(calls) < min(slots, missing, left):
        call = Call("generate", nodes, index, ACTION if failed > len(calls) else ACT)
        if not (structure.is_settled(call) or structure.is_in_flight(call)):
            calls.append(call)
        index += 1
    return calls


def tips(structure: ReasoningStructure, key: str) -> list[int]:
    """The last step of each episode; `key` names the memo in which they are kept."""
    found = []
    known: dict[int, int] = structure.memo.setdefault(key, {})
    for first in structure.children[ROOT]:
        tip = known.get(first, first)
        while structure.children[tip]:
            tip = structure.children[tip][-1]
        known[first] = tip
        found.append(tip)
    return found


def is_over(structure: ReasoningStructure, tip: int) -> bool:
    """Whether an episode has ended: by the environment, by `END`, or because not even that could be done."""
    if structure.steps[tip].status != "open":
        return True
    return structure.attempts("enrich", (tip,)) >= 2 and not structure.busy("enrich", (tip,))


def next_step(structure: ReasoningStructure, tip: int, *, steps: int, bad_calls: int) -> Call | None:
    """What an episode wants; `None` once it is over, or while it is waited for.

    Args:
        structure: What there is.
        tip: The episode's last step.
        steps: Most steps of an episode.
        bad_calls: Commands in a row that were not understood, or refused, after which it is ended.
    """
    nodes = (tip,)
    if structure.busy("enrich", nodes) or structure.busy("generate", nodes) or is_over(structure, tip):
        return None
    if not structure.attempts("enrich", nodes):
        return Call("enrich", nodes)
    tried = structure.attempts("generate", nodes)
    stuck = tip not in structure.versions or tried >= len(WAYS)
    if stuck or structure.depth[tip] >= steps or bad_in_a_row(structure, tip) >= bad_calls:
        return new_calls(structure, "enrich", nodes, 1, END)[0]
    return new_calls(structure, "generate", nodes, 1, WAYS[tried])[0]


def bad_in_a_row(structure: ReasoningStructure, tip: int) -> int:
    """How many of the latest commands came to nothing."""
    count = 0
    for node in structure.ancestors(tip):
        if node == ROOT or not structure.notes.get(node, "").startswith((BAD_CALL, REFUSED)):
            break
        count += 1
    return count
