"""*prune*: take nodes, and with them what grows from them, out of the search. They stay in the trace."""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Pruned
from reflectree.rlm_ops.structure import ReasoningStructure


def prune(structure: ReasoningStructure, call: Call) -> list[Pruned]:
    """One event for those of `call.nodes` that are not pruned yet; none if all are."""
    nodes = tuple(node for node in call.nodes if structure.steps[node].status != "pruned")
    return [Pruned(nodes=nodes, reason=call.reason)] if nodes else []
