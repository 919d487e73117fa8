"""*generate*: a new step, or a whole solution, below a node. Its contract: which calls make sense.

What is written comes from an agent (`reflectree.agents.generator`); nothing here asks a model.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.structure import ReasoningStructure


def generate_problem(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call to generate, or `None`."""
    if len(call.nodes) != 1:
        return "generate takes one node: what several came to is aggregated"
    (node,) = call.nodes
    if not 0 <= node < len(structure):
        return f"there is no node {node}"
    if structure.steps[node].status in ("pruned", "failed"):
        return f"node {node} is {structure.steps[node].status}: it is left alone"
    return None
