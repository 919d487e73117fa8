"""What happens to a reasoning structure: one frozen class an event, and its wire form.

The wire form (a *row*) is a dictionary of JSON values with defaults left out. It is what a checkpoint stores, what a
line of a trace file is, and what training reads; there is no other format. No event carries a time: the same seed and
the same replies in the same order give the same trace, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeAlias

from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.reflected import Arm, Reflected
from reflectree.rlm_ops.step import Granularity, Status
from reflectree.rlm_ops.task import Example, Form
from reflectree.rlm_ops.usage import NO_USAGE, Usage

Row: TypeAlias = dict[str, Any]
"""An event's wire form: `{"seq": 4, "op": "evaluate", "node": 2, "value": 0.5}`."""

GrowingOp = Literal["generate", "refine", "aggregate", "restructure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A run began: the task as the model may see it, and everything needed to run it again. Always event 0.

    Attributes:
        blueprint: The reasoning system, as `Blueprint.model_dump` gives it.
        width: Most children a node may have; `root_width` for the root.
        depth: Most steps on a path.
        policy: Name of the policy model.
        evaluator: Name of the evaluator, or "" where none scores.
        verifier: Name of the verifier (never its gold answer).
        ops: The operators that grow a node below the root, which together count against its width.
        backup: The rule by which values are backed up and its parameters, `{"rule": "max"}`; the mean where empty.
        arm: Whether the run is shown what it recalled; a run of the control arm is not, and "" has no memory.
        recalled: The records it recalled: id, kind and, where they are shown, text.
    """

    op: ClassVar[str] = "task"
    question: str
    context: str = ""
    examples: tuple[Example, ...] = ()
    tools: tuple[str, ...] = ()
    task_id: str = ""
    form: Form = "line"
    blueprint: dict[str, Any] = field(default_factory=dict)
    width: int = 1
    root_width: int = 1
    depth: int = 1
    ops: tuple[str, ...] = ("generate",)
    backup: dict[str, Any] = field(default_factory=dict)
    policy: str = ""
    evaluator: str = ""
    verifier: str = ""
    seed: int = 0
    oracle: bool = False
    arm: Arm = ""
    recalled: tuple[dict[str, Any], ...] = ()
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A step was added under one parent (*generate*, *refine*, *restructure*) or several (*aggregate*).

    Attributes:
        op: The operator that added it.
        nodes: The parents; the first is the primary one, along which paths run and values are backed up.
        index: The call's index.
        node: The new node's id: dense, in order of arrival, given when the event is appended to a trace.
        after: The node after whose path the text is read, where it is not the primary parent: a refinement stands in
            its parent's place, a merge after the nearest step its parents share.
        prior: The policy's own probability of the step relative to its siblings' lengths: exp of the mean token
            log-probability, in (0, 1]; `None` where the model gives no log-probabilities.
        confidence: Mean confidence of the step's tokens (Marco-o1), in [0, 1], where it was asked for.
        how: The variant of the operator.
        source: Who gave the feedback behind a refinement: `verifier`, `tests`, `tool`, `critic`, `self`.
        note: That feedback, or the thought behind the step, in words.
        run: The nested run whose outcome the step is, where it is one; its bill is part of `usage`.
        trace: The events of that run.
    """

    op: GrowingOp = "generate"
    nodes: tuple[int, ...]
    index: int = 0
    node: int = -1
    text: str
    granularity: Granularity = "step"
    status: Status = "open"
    answer: str | None = None
    after: int = -1
    prior: float | None = None
    confidence: float | None = None
    how: str = ""
    source: str = ""
    note: str = ""
    run: str = ""
    trace: tuple[Row, ...] = ()
    usage: Usage = NO_USAGE
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A node was scored.

    Attributes:
        value: The score, in [0, 1].
        against: The node it was compared with; the value is then the chance that `node` is the better of the two, and
            no evaluation of `node` by itself. -1 where there is none.
        aside: The value is an observation (how hard is the task? is the solution finished?) and is not backed up.
        how: The variant of the operator.
        source: Who says so: `function`, `verifier`, `judge`, `rubric`, `scale`, `vote`, `pairwise`, `rollouts`,
            `confidence`, `tests`, `value-model`, `reward-model`, `difficulty`, `finished`, `discriminator`.
        note: The evaluator's reason, in words, where it gave one.
        scores: What was measured, in units of its own, one number a test or example, where the value sums several up.
    """

    op: ClassVar[str] = "evaluate"
    node: int
    index: int = 0
    value: float
    against: int = -1
    aside: bool = False
    how: str = ""
    source: str = ""
    note: str = ""
    scores: tuple[float, ...] = ()
    usage: Usage = NO_USAGE
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """A node's value was backed up along its primary ancestors, itself included."""

    op: ClassVar[str] = "backpropagate"
    node: int
    value: float
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Nodes were taken out of the search; they stay in the trace."""

    op: ClassVar[str] = "prune"
    nodes: tuple[int, ...]
    reason: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtracked:
    """The search left a node and went back to an earlier one."""

    op: ClassVar[str] = "backtrack"
    node: int
    to: int
    reason: str = ""
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Enriched:
    """A node's content was updated in place, as a new version: an observation, an output, a lesson was added.

    Attributes:
        text: The whole new text.
        status: The new status; "" leaves it as it is.
        how: The variant of the operator.
        source: Where the new content comes from: `tool`, `code`, `reflection`.
        note: What was added, in words.
    """

    op: ClassVar[str] = "enrich"
    node: int
    text: str
    status: Status | Literal[""] = ""
    answer: str | None = None
    how: str = ""
    source: str = ""
    note: str = ""
    usage: Usage = NO_USAGE
    index: int = 0
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A call came to nothing, after its retries. It is not a wrong answer, and it is paid all the same.

    `aside` marks an observation that could not be made: the node it was to be made on is none the worse for it.
    """

    op: ClassVar[str] = "failed"
    of: str
    nodes: tuple[int, ...]
    index: int = 0
    how: str = ""
    aside: bool = False
    reason: str = ""
    usage: Usage = NO_USAGE
    seq: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The run ended. Always the last event.

    Attributes:
        node: The node whose answer was selected; -1 where there is none.
        score: The selection's own score of the answer.
        stop_reason: Why the run ended.
        selection: The method that chose the answer.
        correct: What the verifier says of the selected answer; `None` without a verifier.
        in_structure: Whether the verifier accepts *any* answer found; `None` without a verifier.
    """

    op: ClassVar[str] = "answer"
    node: int = -1
    answer: str | None = None
    score: float | None = None
    stop_reason: str = ""
    selection: str = ""
    correct: bool | None = None
    in_structure: bool | None = None
    seq: int = -1


Event: TypeAlias = (
    Began | Grown | Evaluated | BackedUp | Pruned | Backtracked | Enriched | Failed | Reflected | Answered
)

_CLASSES: dict[str, type[Any]] = {
    cls.op: cls for cls in (Began, Evaluated, BackedUp, Pruned, Backtracked, Enriched, Failed, Reflected, Answered)
} | dict.fromkeys(("generate", "refine", "aggregate", "restructure"), Grown)


def _default(spec: Any) -> Any:
    return {} if spec.default_factory is not MISSING else spec.default


_FIELDS: dict[type[Any], tuple[tuple[str, Any], ...]] = {
    cls: tuple((spec.name, _default(spec)) for spec in fields(cls) if spec.name not in ("seq", "op"))
    for cls in set(_CLASSES.values())
}
_TUPLES = frozenset({"nodes", "tools", "ops", "trace", "recalled", "items", "scores"})


def to_row(event: Event) -> Row:
    """The event's wire form; fields at their default are left out, and `seq` while it is not numbered."""
    row: Row = {"seq": event.seq, "op": event.op} if event.seq >= 0 else {"op": event.op}
    for name, default in _FIELDS[type(event)]:
        value = getattr(event, name)
        if value is default or value == default:
            continue
        if name in _TUPLES:
            value = list(value)
        elif name == "usage":
            value = value.to_row()
        elif name == "examples":
            value = [[example.question, list(example.steps), example.answer] for example in value]
        elif type(value) is str and not value.isascii():
            value = value.encode("utf-8", "replace").decode()  # half a surrogate pair can be neither saved nor sent
        row[name] = value
    return row


def from_row(row: Mapping[str, Any]) -> Event:
    """The event a row stands for.

    Raises:
        TraceError: The operator or a field is unknown, or a required field is missing.
    """
    values = dict(row)
    op = values.pop("op", None)
    cls = _CLASSES.get(op) if isinstance(op, str) else None
    if cls is None:
        raise TraceError(f"unknown event {op!r}: the trace is of a newer version, or not a trace")
    try:
        if "nodes" in values:
            values["nodes"] = tuple(values["nodes"])
        if "usage" in values:
            values["usage"] = Usage(*values["usage"])
        if cls is Grown:
            values["op"] = op
            values["trace"] = tuple(values.get("trace", ()))
        elif cls is Evaluated:
            values["scores"] = tuple(values.get("scores", ()))
        elif cls is Reflected:
            values["items"] = tuple(values.get("items", ()))
        elif cls is Began:
            values["tools"] = tuple(values.get("tools", ()))
            values["ops"] = tuple(values.get("ops", ("generate",)))
            values["recalled"] = tuple(values.get("recalled", ()))
            values["examples"] = tuple(Example(q, tuple(steps), a) for q, steps, a in values.get("examples", ()))
        event: Event = cls(**values)
    except (TypeError, ValueError) as error:
        raise TraceError(f"a damaged {op!r} event: {error}") from error
    return event
