"""*backpropagate*: give an evaluated value to a node and its primary ancestors (running mean, AlphaZero's backup)."""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import BackedUp
from reflectree.rlm_ops.structure import ReasoningStructure


def backpropagate(structure: ReasoningStructure, call: Call) -> list[BackedUp]:
    """One event for each value of `call.nodes` that is evaluated and not yet backed up."""
    return [BackedUp(node=node, value=value) for node in call.nodes for value in structure.unbacked.get(node, ())]
