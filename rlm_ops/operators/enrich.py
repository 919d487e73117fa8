"""*enrich*: a new version of a node's content, in place. Its contract: which calls make sense.

What is added comes from an agent (`reflectree.agents.enricher`): an observation, an output, a lesson. Enriching the
root is how a run learns about its task: its text then stands beside the question in every prompt.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.contract import one_node_problem
from reflectree.rlm_ops.structure import ReasoningStructure


def enrich_problem(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call to enrich, or `None`."""
    return one_node_problem(structure, call)
