"""What the contracts of several operators share."""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.structure import ReasoningStructure


def node_problem(structure: ReasoningStructure, node: int) -> str | None:
    """What keeps a node from being worked on, or `None`."""
    if not 0 <= node < len(structure):
        return f"there is no node {node}"
    if structure.steps[node].status in ("pruned", "failed"):
        return f"node {node} is {structure.steps[node].status}: it is left alone"
    return None


def one_node_problem(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call for an operator of one node, or `None`."""
    if len(call.nodes) != 1:
        return f"{call.op} takes one node"
    return node_problem(structure, call.nodes[0])
