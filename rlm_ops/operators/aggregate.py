"""*aggregate*: several nodes into one. Its contract: where the new node is read, and which calls make sense.

The text itself comes from an agent (`reflectree.agents.aggregator`); nothing here asks a model.
"""

from __future__ import annotations

from collections.abc import Sequence

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.contract import node_problem
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

LEAST = 2
"""Fewest nodes that make a merge; a call that names a variant, such as a member of a team, may read one alone."""


def common_after(structure: ReasoningStructure, nodes: Sequence[int]) -> int:
    """The nearest node whose path all of `nodes` continue: a merge of them is read after it.

    The nodes themselves do not count, so it is the root where one of them is a first step.
    """
    lines = [[ROOT, *structure.read_ids(node)[:-1]] for node in nodes]
    common = ROOT
    for level in zip(*lines, strict=False):
        if len(set(level)) > 1:
            break
        common = level[0]
    return common


def branches(structure: ReasoningStructure, nodes: Sequence[int]) -> list[str]:
    """What each of `nodes` adds to the path they share: its steps from there, one a line."""
    start = len(structure.read_ids(common_after(structure, nodes)))
    return ["\n".join(structure.steps[step].text for step in structure.read_ids(node)[start:]) for node in nodes]


def aggregate_problem(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call to aggregate, or `None`."""
    nodes = call.nodes
    if len(nodes) < (1 if call.how else LEAST):
        return "a merge takes at least two nodes"
    if len(set(nodes)) < len(nodes):
        return "a merge takes distinct nodes"
    for node in nodes:
        problem = "the task itself cannot be merged" if node == ROOT else node_problem(structure, node)
        if problem is not None:
            return problem
    for node in nodes:
        inside = set(structure.read_ids(node)[:-1]).intersection(nodes)
        if inside:
            return f"node {node} contains node {min(inside)} already: there is nothing to merge"
    return None
