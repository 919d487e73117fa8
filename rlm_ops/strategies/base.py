"""What a strategy is: pure ask/tell over a structure.

A strategy reads the structure, holds no state of its own and calls no model. `ask` may be called again and again: the
caller marks each call it is given as in flight, and what is in flight or settled is never asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from reflectree.rlm_ops.backup import Backup
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.structure import ReasoningStructure

MEAN = Backup()


class Limits(NamedTuple):
    """How far a structure may grow: children a node, children of the root, steps a path.

    `ops` are the operators that grow a node below the root, which together count against its width.
    """

    width: int
    root_width: int
    depth: int
    ops: tuple[str, ...] = ("generate",)


class Strategy(BaseModel):
    """Base of all strategies. Its fields are its parameters: validated, frozen, written in a blueprint by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: ClassVar[str]
    operators: ClassVar[frozenset[str]] = frozenset({"generate"})
    """The operators it may ask for that an agent carries out."""

    confidence: float | None = Field(default=1.0, gt=0, le=1)
    """Stop once an answer's own value reaches this; `None` never does. Only a verifier gives 1.0: judges stay below."""

    def uses(self) -> frozenset[str]:
        """The operators it asks for with these parameters."""
        return self.operators

    def variants(self) -> Iterable[tuple[str, str]]:
        """The variants it asks for by name, as pairs of operator and variant: a blueprint must define them."""
        return ()

    @property
    def evaluates(self) -> bool:
        """Whether it asks for evaluations, so that an evaluator must be given."""
        return "evaluate" in self.uses()

    @property
    def backup_rule(self) -> Backup:
        """The rule by which values are backed up."""
        return MEAN

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


def new_calls(structure: ReasoningStructure, op: str, nodes: tuple[int, ...], count: int, how: str = "") -> list[Call]:
    """`count` calls of `op` on `nodes` at the lowest free indices."""
    calls: list[Call] = []
    index = structure.next_index(op, nodes)
    while len(calls) < count:
        call = Call(op, nodes, index, how)  # type: ignore[arg-type]
        if not (structure.is_settled(call) or structure.is_in_flight(call)):
            calls.append(call)
        index += 1
    return calls


def new_samples(structure: ReasoningStructure, node: int, count: int, how: str = "") -> list[Call]:
    """`count` calls to generate below `node` at the lowest free indices."""
    return new_calls(structure, "generate", (node,), count, how)
