"""*backtrack*: leave a node and go back to an earlier one, as an event with its reason."""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Backtracked
from reflectree.rlm_ops.structure import ReasoningStructure


def backtrack(structure: ReasoningStructure, call: Call) -> list[Backtracked]:
    """One event: from `call.nodes[0]` to `call.nodes[1]`, or to the primary parent where only one node is given."""
    node = call.nodes[0]
    to = call.nodes[1] if len(call.nodes) > 1 else structure.parents[node][0] if structure.parents[node] else node
    return [Backtracked(node=node, to=to, reason=call.reason)]
