"""*enrich*: a new version of a node's content, in place. Its contract: which calls make sense.

What is added comes from an agent (`reflectree.agents.enricher`): an observation, an output, a lesson. Enriching the
root is how a run learns about its task: its text then stands beside the question in every prompt.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.structure import ReasoningStructure


def enrich_problem(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call to enrich, or `None`."""
    if len(call.nodes) != 1:
        return "enrich takes one node"
    (node,) = call.nodes
    if not 0 <= node < len(structure):
        return f"there is no node {node}"
    if structure.steps[node].status in ("pruned", "failed"):
        return f"node {node} is {structure.steps[node].status}: it is left alone"
    return None
