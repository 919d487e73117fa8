"""*evaluate*: a score for a node, or a comparison of two. Its contract, and how the scores of a path become one.

Scores come from an agent (`reflectree.agents.evaluator`); nothing here asks a model.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas import Aggregation, aggregate_steps
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


def evaluate_problem(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call to evaluate, or `None`.

    One node is scored; the first of two is compared with the second. The root may only be observed.
    """
    if len(call.nodes) not in (1, 2):
        return "evaluate takes one node, or two to compare"
    if len(set(call.nodes)) < len(call.nodes):
        return "a node is not compared with itself"
    for node in call.nodes:
        if not 0 <= node < len(structure):
            return f"there is no node {node}"
    if ROOT in call.nodes and (len(call.nodes) > 1 or not call.how):
        return "the task itself is not scored: only a variant of evaluate may observe it"
    return None


def path_value(structure: ReasoningStructure, node: int, reduce: Aggregation = "last") -> float | None:
    """One value for the path to a node, from the values of its steps (process reward read-out).

    Steps without a value do not count; `None` where no step has one.
    """
    values = [value for step in structure.read_ids(node) if (value := structure.value(step)) is not None]
    return aggregate_steps(values, reduce) if values else None
