"""The pure operators by name: what the controller applies itself, without a model.

Each is a function of a structure and a call that returns the events it makes, not yet numbered. The operators that
need a model are carried out by agents (`reflectree.agents`); their contract is `reflectree.rlm_ops.calls.Call` in,
events out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.operators.backpropagate import backpropagate
from reflectree.rlm_ops.operators.backtrack import backtrack
from reflectree.rlm_ops.operators.prune import prune
from reflectree.rlm_ops.operators.restructure import restructure
from reflectree.rlm_ops.structure import ReasoningStructure

PureOperator = Callable[[ReasoningStructure, Call], Sequence[Event]]

PURE_OPERATORS: dict[str, PureOperator] = {
    "backpropagate": backpropagate,
    "backtrack": backtrack,
    "prune": prune,
    "restructure": restructure,
}

__all__ = ["PURE_OPERATORS", "PureOperator", "backpropagate", "backtrack", "prune", "restructure"]
