"""*backtrack*: leave a node and go back to an earlier one, as an event with its reason.

A node that was left cannot grow any more. Whether to go back is the strategy's choice; `wants_backtrack` says what the
evaluator thinks of it.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Backtracked
from reflectree.rlm_ops.structure import ReasoningStructure


def backtrack(structure: ReasoningStructure, call: Call) -> list[Backtracked]:
    """One event: from `call.nodes[0]` to `call.nodes[1]`, or to the primary parent where only one node is given."""
    node = call.nodes[0]
    to = call.nodes[1] if len(call.nodes) > 1 else structure.parents[node][0] if structure.parents[node] else node
    return [Backtracked(node=node, to=to, reason=call.reason)]


def wants_backtrack(structure: ReasoningStructure, node: int, threshold: float) -> str | None:
    """Why an evaluator would leave a node: its own value is below the threshold. `None` where it would not.

    A node without a value is not left for it: nothing is known of it.
    """
    value = structure.value(node)
    return f"value {value:.3g} below {threshold:.3g}" if value is not None and value < threshold else None
