"""What models learn from: one frozen class a kind of sample, where it comes from, and its wire form.

A sample is derived from a trace by a pure function (`reflectree.training.labels`), kept in a `ReplayBuffer` and read by
a trainer. Each names its origin, so that a wrong label can be followed back to the step it came from. Nothing here
knows models, files or trainers.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, TypeAlias

from reflectree.rlm_ops.errors import BadInput

Split = Literal["train", "valid", "test"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sample comes from.

    Attributes:
        task: The task's id.
        trace: The run's id.
        node: The node the label is of; -1 where it is of the whole run.
        policy: The model that wrote the steps.
        seed: The run's seed.
        split: The part of the task set the task belongs to.
        label: The function that labelled it, as `math-shepherd/hard`.
        round: The round of the loop that made it.
    """

    task: str = ""
    trace: str = ""
    node: int = -1
    policy: str = ""
    seed: int = 0
    split: Split = "train"
    label: str = ""
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A whole solution and what came of it (outcome-based supervision): for SFT, outcome models and RL.

    Attributes:
        question: The question, context included.
        steps: Its steps.
        answer: The answer it gives.
        reward: What the verifier says of it, in [0, 1].
        given: How many of the steps are read and not learnt.
    """

    kind: ClassVar[str] = "solution"
    question: str
    steps: tuple[str, ...]
    answer: str = ""
    reward: float = 1.0
    given: int = 0
    weight: float = 1.0
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Valued:
    """A prefix of a solution and its value, in [0, 1] (process-based supervision): for value regression."""

    kind: ClassVar[str] = "valued"
    question: str
    steps: tuple[str, ...]
    value: float
    weight: float = 1.0
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A solution with one label a step, each in [0, 1] (process-based supervision): for process reward models.

    Attributes:
        labels: One label a step; `nan` for a step that has none.
    """

    kind: ClassVar[str] = "labelled"
    question: str
    steps: tuple[str, ...]
    labels: tuple[float, ...]
    weight: float = 1.0
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """Two ways to go on from the same prefix, the better one first: for DPO and its kin, and for pairwise models.

    Attributes:
        steps: The shared prefix.
        chosen: The steps of the better way.
        rejected: The steps of the worse way.
        values: The values of the two, where they are known.
    """

    kind: ClassVar[str] = "preferred"
    question: str
    steps: tuple[str, ...] = ()
    chosen: tuple[str, ...]
    rejected: tuple[str, ...]
    values: tuple[float, float] | None = None
    weight: float = 1.0
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operated:
    """A run told operator by operator (trace-based supervision), as a conversation: for an implicit reasoning model.

    Attributes:
        messages: Turns of `(role, content)`: the question, then what was done and what came of it.
        operators: The operators in order, as the trace has them.
        reward: What the verifier says of the answer, in [0, 1].
    """

    kind: ClassVar[str] = "operated"
    question: str
    messages: tuple[tuple[str, str], ...]
    operators: tuple[str, ...] = ()
    reward: float = 1.0
    weight: float = 1.0
    origin: Origin = field(default_factory=Origin)


Sample: TypeAlias = Solution | Valued | Labelled | Preferred | Operated
KINDS: Mapping[str, type[Any]] = {cls.kind: cls for cls in (Solution, Valued, Labelled, Preferred, Operated)}
_TUPLES = ("steps", "labels", "chosen", "rejected", "values", "operators")


def to_row(sample: Sample) -> dict[str, Any]:
    """The sample's wire form: a dictionary of JSON values with its `kind`."""
    return {"kind": sample.kind, **asdict(sample)}


def from_row(row: Mapping[str, Any]) -> Sample:
    """The sample a row stands for.

    Raises:
        BadInput: It stands for none; the message says what is wrong.
    """
    values = dict(row)
    cls = KINDS.get(str(values.pop("kind", "")))
    if cls is None:
        raise BadInput(f"a sample is one of {', '.join(KINDS)}, not {row.get('kind')!r}")
    names = {spec.name for spec in fields(cls)}
    if unknown := set(values) - names:
        raise BadInput(f"a sample of kind {cls.kind!r} has no field {min(unknown)!r}")
    for name in _TUPLES:
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    if "messages" in values:
        values["messages"] = tuple((str(role), str(content)) for role, content in values["messages"])
    try:
        sample: Sample = cls(**{**values, "origin": Origin(**values.get("origin", {}))})
    except TypeError as error:
        raise BadInput(f"a damaged sample of kind {cls.kind!r}: {error}") from error
    return check(sample)


def check(sample: Sample) -> Sample:
    """The sample, if its numbers can be learnt from.

    Raises:
        BadInput: A value is outside [0, 1] or no number, labels do not match the steps, or a text is empty.
    """

    def refuse(what: str) -> BadInput:
        where = f" (trace {sample.origin.trace}, node {sample.origin.node})" if sample.origin.trace else ""
        return BadInput(f"a sample of kind {sample.kind!r} {what}{where}")

    if not sample.question.strip():
        raise refuse("has no question")
    if not (math.isfinite(sample.weight) and sample.weight >= 0):
        raise refuse(f"has the weight {sample.weight}")
    numbers: tuple[float, ...] = ()
    match sample:
        case Solution() | Operated():
            numbers = (sample.reward,)
        case Valued():
            numbers = (sample.value,)
        case Labelled():
            if len(sample.labels) != len(sample.steps):
                raise refuse(f"has {len(sample.labels)} labels for {len(sample.steps)} steps")
            numbers = tuple(label for label in sample.labels if not math.isnan(label))
        case Preferred():
            if not sample.chosen or not sample.rejected or sample.chosen == sample.rejected:
                raise refuse("has no two different ways to go on")
            numbers = sample.values or ()
    if any(not 0.0 <= number <= 1.0 for number in numbers):
        raise refuse(f"has a number outside [0, 1]: {numbers}")
    return sample


def digest(sample: Sample) -> str:
    """A digest of what is learnt from a sample, not of where it comes from: duplicates share it."""
    row = {name: value for name, value in to_row(sample).items() if name not in ("origin", "weight")}
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]


def located(sample: Sample, **changes: Any) -> Sample:
    """The sample with fields of its origin replaced."""
    return replace(sample, origin=replace(sample.origin, **changes))
