"""What a strategy is: pure ask/tell over a structure.

A strategy reads the structure, holds no state of its own and calls no model. `ask` may be called again and again: the
caller marks each call it is given as in flight, and what is in flight or settled is never asked for again.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.structure import ReasoningStructure


class Limits(NamedTuple):
    """How far a structure may grow: children a node, children of the root, steps a path."""

    width: int
    root_width: int
    depth: int


class Strategy(BaseModel):
    """Base of all strategies. Its fields are its parameters: validated, frozen, written in a blueprint by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    evaluates: ClassVar[bool] = False
    """Whether it asks for evaluations, so that an evaluator must be given."""

    confidence: float | None = Field(default=1.0, gt=0, le=1)
    """Stop once an answer's own value reaches this; `None` never does. Only a verifier gives 1.0: judges stay below."""

    def limits(self) -> Limits:
        """How far the structure may grow under this strategy."""
        raise NotImplementedError

    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        """What to do next: at most `slots` calls that need a slot, none of them in flight or settled.

        Pure operators (`reflectree.rlm_ops.calls.PURE`) take no slot and come alone: apply them and ask again.
        An empty list means that there is nothing to ask for *now*; with nothing in flight, that there is nothing left.
        """
        raise NotImplementedError

    def stop(self, structure: ReasoningStructure) -> str | None:
        """Why the run may end now, or `None`."""
        if self.confidence is None or not self.evaluates:
            return None
        node = structure.best_terminal
        value = None if node is None else structure.value(node)
        return "confidence" if value is not None and value >= self.confidence else None


def new_samples(structure: ReasoningStructure, node: int, count: int) -> list[Call]:
    """`count` calls to generate below `node` at the lowest free indices."""
    calls: list[Call] = []
    index = structure.next_index("generate", (node,))
    while len(calls) < count:
        call = Call("generate", (node,), index)
        if not (structure.is_settled(call) or structure.is_in_flight(call)):
            calls.append(call)
        index += 1
    return calls
