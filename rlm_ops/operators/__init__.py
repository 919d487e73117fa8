"""The operators, one module each: the contract of all, and the whole of those that need no model.

`PURE_OPERATORS` are applied by the controller itself: functions of a structure and a call that return the events it
makes, not yet numbered. The others are carried out by agents (`reflectree.agents`): a `Call` in, events out; what a
sensible call is, `problem_with` says for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.operators.aggregate import aggregate_problem
from reflectree.rlm_ops.operators.backpropagate import backpropagate
from reflectree.rlm_ops.operators.backtrack import backtrack
from reflectree.rlm_ops.operators.enrich import enrich_problem
from reflectree.rlm_ops.operators.evaluate import evaluate_problem
from reflectree.rlm_ops.operators.generate import generate_problem
from reflectree.rlm_ops.operators.prune import prune
from reflectree.rlm_ops.operators.refine import refine_problem
from reflectree.rlm_ops.operators.restructure import restructure
from reflectree.rlm_ops.operators.select import SELECTORS, select
from reflectree.rlm_ops.structure import ReasoningStructure

PureOperator = Callable[[ReasoningStructure, Call], Sequence[Event]]

PURE_OPERATORS: dict[str, PureOperator] = {
    "backpropagate": backpropagate,
    "backtrack": backtrack,
    "prune": prune,
    "restructure": restructure,
}

_CONTRACTS: dict[str, Callable[[ReasoningStructure, Call], str | None]] = {
    "aggregate": aggregate_problem,
    "enrich": enrich_problem,
    "evaluate": evaluate_problem,
    "generate": generate_problem,
    "refine": refine_problem,
}


def problem_with(structure: ReasoningStructure, call: Call) -> str | None:
    """What is wrong with a call for an agent, or `None`: what no strategy should ask for."""
    contract = _CONTRACTS.get(call.op)
    return f"{call.op} is no operator of an agent" if contract is None else contract(structure, call)


__all__ = [
    "PURE_OPERATORS",
    "SELECTORS",
    "PureOperator",
    "backpropagate",
    "backtrack",
    "problem_with",
    "prune",
    "restructure",
    "select",
]
