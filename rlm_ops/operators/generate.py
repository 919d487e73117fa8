"""*generate*: a new step, or a whole solution, below a node. Its contract: which calls make sense.

What is written comes from an agent (`reflectree.agents.generator`); nothing here asks a model.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.contract import one_node_problem
from reflectree.rlm_ops.structure import ReasoningStructure


def generate_problem(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call to generate, or `None`."""
    return one_node_problem(structure, call)
