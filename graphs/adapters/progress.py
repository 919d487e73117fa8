"""One short line about an event of a search, for people who watch it go on.

What models wrote is shortened to one line. What the lines are sent through is not known here.
"""

from __future__ import annotations

from reflectree.rlm_ops.events import Answered, Backtracked, Began, Enriched, Evaluated, Event, Failed, Grown, Pruned
from reflectree.rlm_ops.reflected import Reflected
from reflectree.rlm_ops.structure import ReasoningStructure

WIDTH = 120
"""Characters of a model's text that a line shows."""
_VERBS = {"generate": "tried", "refine": "refined", "aggregate": "merged", "restructure": "rewrote"}


def line_of(event: Event, structure: ReasoningStructure) -> str | None:
    """What an event means to a person, in one line without a line end; `None` where it means nothing to them.

    Args:
        event: What has happened.
        structure: The structure after it.
    """
    match event:
        case Began():
            return f"begins: {event.blueprint.get('name', 'a search')}, seed {event.seed}"
        case Grown():
            came = "" if event.nodes == (0,) else f" after {', '.join(map(str, event.nodes))}"
            ends = " (an answer)" if event.answer is not None else ""
            return f"{_VERBS[event.op]} {event.node}{came}{ends}: {shortened(event.text)}"
        case Evaluated() if event.against >= 0:
            return f"compared {event.node} with {event.against}: {event.value:.2f}"
        case Evaluated():
            note = f", {shortened(event.note)}" if event.note else ""
            return f"scored {event.node}: {event.value:.2f}{note}"
        case Enriched():
            return f"added to {event.node}: {shortened(event.note or event.text)}"
        case Pruned():
            return f"gave up {', '.join(map(str, event.nodes))}" + (
                f": {shortened(event.reason)}" if event.reason else ""
            )
        case Backtracked():
            return f"went back from {event.node} to {event.to}"
        case Failed():
            return f"failed to {event.of} at {', '.join(map(str, event.nodes))}: {shortened(event.reason)}"
        case Answered():
            ends = f"node {event.node} of {len(structure) - 1}" if event.answer is not None else "no answer"
            return f"ends ({event.stop_reason}): {ends}"
        case Reflected():
            return "learnt from the outcome"
        case _:
            return None


def shortened(text: str) -> str:
    """Text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3].rstrip()}..."
