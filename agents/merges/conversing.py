"""`debate`, `layer`: agents read what others wrote, and write a message of their own."""

from __future__ import annotations

from reflectree.agents.merges.base import Merging
from reflectree.agents.prompts.conversing import debating, layering
from reflectree.models.base import Message
from reflectree.rlm_ops.operators.aggregate import branches


def debate(merge: Merging) -> tuple[Message, ...]:
    """The first message's author reads what the others say and answers anew.

    A message is the agent's own where the same variant wrote it: if its last one came to nothing, all it reads is the
    others'.
    """
    structure, call = merge.structure, merge.call
    told = branches(structure, call.nodes)
    is_own = not call.how or structure.hows[call.nodes[0]] == call.how
    own, others = (told[0], told[1:]) if is_own else ("", told)
    return debating(structure.path(merge.after), own, others, merge.settings.instruction)


def layer(merge: Merging) -> tuple[Message, ...]:
    """One answer from those of the layer before, in their order."""
    told = branches(merge.structure, merge.call.nodes)
    return layering(merge.structure.path(merge.after), told, merge.settings.instruction)
