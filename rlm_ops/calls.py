"""What may be done to a structure, and one request to do it.

A `Call` names node ids and never texts: it is written to checkpoints, and it is the identity by which a settled call is
never paid twice.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Literal, get_args

Operator = Literal[
    "generate",
    "refine",
    "aggregate",
    "prune",
    "restructure",
    "select",
    "backtrack",
    "backpropagate",
    "enrich",
    "evaluate",
]
OPERATORS: tuple[Operator, ...] = get_args(Operator)

GROWING: frozenset[str] = frozenset({"generate", "refine", "aggregate", "restructure"})
"""Operators that add nodes."""

PURE: frozenset[str] = frozenset({"prune", "select", "backtrack", "backpropagate", "restructure"})
"""Operators that need no model: the controller applies them itself."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operator applied to given nodes.

    Attributes:
        op: The operator.
        nodes: The node ids it is applied to; several for *aggregate*.
        index: Which application of this operator to these nodes it is, from 0: the third sample of a node has index 2.
            Together the three fields identify the call for ever, in a resumed run too.
        how: Which of the blueprint's variants of the operator carries it out ("" for its plain settings), or which way
            a pure operator works. It is written to the trace and is no part of the identity: indices count over all
            variants.
        reason: Why a pure operator is applied, for the trace; no part of the identity.
    """

    op: Operator
    nodes: tuple[int, ...]
    index: int = 0
    how: str = field(default="", compare=False)
    reason: str = field(default="", compare=False)

    def seed(self, run_seed: int) -> int:
        """The call's own sampling seed, in [0, 2^31): equal for equal calls of equal runs."""
        label = f"{run_seed}:{self.op}:{','.join(map(str, self.nodes))}:{self.index}"
        return zlib.crc32(label.encode()) & 0x7FFFFFFF
