"""A plan of operations: a graph of what is to be done with which thoughts, and how it may change while it runs.

An operation takes the nodes that others came to (or the task) and comes to nodes of its own. It may be skipped or
repeated by what the values turn out to be, which makes the plan a program over the structure and not a fixed list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from reflectree.rlm_ops.strategies.parse import nearest

PLAN_OPERATORS = ("generate", "evaluate", "refine", "aggregate", "keep_best", "keep_valid")


class When(BaseModel):
    """A condition on the best value among the nodes an operation came to.

    Attributes:
        of: That operation.
        below: Holds while the best value is below this, or there is no value.
        at_least: Holds while the best value is at least this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    of: str
    below: float | None = Field(default=None, ge=0, le=1)
    at_least: float | None = Field(default=None, ge=0, le=1)


class Operation(BaseModel):
    """One operation of a plan.

    Attributes:
        id: Its name; nodes it makes carry it as their variant.
        op: `generate` (n from each input), `evaluate` (each input), `refine` (each input, at most n times, until its
            value reaches `until`), `aggregate` (n merges of all inputs), `keep_best` (the n best), `keep_valid` (those
            worth at least `until`).
        inputs: The operations whose nodes it takes; none is the task itself.
        n: How many, see `op`.
        until: A value, see `op`.
        when: Carried out only if this holds; else its inputs pass through.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str = Field(min_length=1)
    op: Literal["generate", "evaluate", "refine", "aggregate", "keep_best", "keep_valid"]
    inputs: tuple[str, ...] = ()
    n: int = Field(default=1, ge=1)
    until: float = Field(default=1.0, ge=0, le=1)
    when: When | None = None

    @field_validator("op", mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        if value not in PLAN_OPERATORS:
            raise ValueError(f"unknown operator {value!r}; {nearest(str(value), list(PLAN_OPERATORS))}")
        return value


def check_plan(plan: Sequence[Operation]) -> None:
    """Refuse a plan that cannot run.

    Raises:
        ValueError: A name is taken twice or unknown, operations wait for each other in a circle, or one has no input.
    """
    ids = [operation.id for operation in plan]
    for name in ids:
        if ids.count(name) > 1:
            raise ValueError(f"two operations of the plan are called {name!r}: rename one")
    waits: dict[str, tuple[str, ...]] = {}
    for operation in plan:
        needs = (*operation.inputs, *([operation.when.of] if operation.when else []))
        for name in needs:
            if name not in ids:
                raise ValueError(
                    f"operation {operation.id!r} waits for {name!r}, which is not in the plan; {nearest(name, ids)}"
                )
        if operation.op != "generate" and not operation.inputs:
            raise ValueError(f"operation {operation.id!r}: {operation.op} needs inputs")
        waits[operation.id] = needs
    done: set[str] = set()
    while len(done) < len(ids):
        ready = [name for name in ids if name not in done and done.issuperset(waits[name])]
        if not ready:
            circle = ", ".join(name for name in ids if name not in done)
            raise ValueError(f"the plan goes in a circle: {circle} wait for each other")
        done.update(ready)
