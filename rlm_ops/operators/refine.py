"""*refine*: another text in a step's place. Its contract: where the new node is read, and which calls make sense.

The text itself comes from an agent (`reflectree.agents.refiner`); nothing here asks a model.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.contract import one_node_problem
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


def refined_after(structure: ReasoningStructure, node: int) -> int:
    """The node after whose path a refinement of `node` is read: it stands in the node's place, not below it."""
    return structure.after[node]


def refine_problem(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call to refine, or `None`."""
    if call.nodes == (ROOT,):
        return "the task itself cannot be refined"
    return one_node_problem(structure, call)


def is_spent(structure: ReasoningStructure, op: str, most: int) -> bool:
    """Whether a growing operator was called `most` times or more on single nodes: grown, failed or in flight.

    What is in flight is looked for, along virtual visits, only where it can decide.
    """
    known = structure.ops.count(op) + sum(count for (of, _), count in structure.failures.items() if of == op)
    if known + structure.calls_in_flight < most:
        return False
    branches = [ROOT]
    while branches:
        node = branches.pop()
        if structure.virtual[node]:
            known += structure.busy(op, (node,))
            branches.extend(structure.children[node])
    return known >= most
