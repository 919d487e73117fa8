"""What a person is asked, and what becomes of the reply: words added to a step, or leave to carry out its command.

Pure. The question holds all that its reply needs, because the run that asked may be gone when the reply comes: it is
written to the checkpoint, and the events are made from it and the reply alone. How a run waits for a person is in
`reflectree.graphs.people`; which command is safe is in `reflectree.agents.safety`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.commands import read_command
from reflectree.rlm_ops.events import Enriched, Evaluated, Event, Failed
from reflectree.rlm_ops.one_command import one_command
from reflectree.rlm_ops.parsing import parse_action
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.strategies.episodes import END, REFUSED
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

HUMAN = "human"
"""The kind of *enrich* that asks a person, and the source of what they say."""
APPROVE = "approve"
"""The variant under which a person's decision on a step's command is observed: 1 to carry it out, 0 to leave it."""
FIRST_DECISION = 64
"""The index of the first decision on a node, beyond those of evaluations, which count from 0."""
YES = frozenset({"y", "yes", "ok", "okay", "approve", "approved", "true", "1"})
"""What counts as leave. Anything else is a refusal, and stands beside the command as its reason."""
COMMENT = "What do you say to this step? Your words are added to it."
MAY_IT = "May this command be carried out? Answer yes, or say why not."


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked about one step.

    Attributes:
        kind: `reply` (what they say is added to the step) or `approval` (may its command be carried out?).
        ask: What is asked, in words.
        task: The run's task.
        before: The steps before it.
        step: The step; of the root, what was said about the task so far.
        command: The command that waits for leave.
        node: The step's node, and `index` and `how` those of the call.
        answer: The answer that the step gives.
        most: Most characters of a reply that are kept.
    """

    kind: Literal["reply", "approval"]
    ask: str
    task: str
    before: str
    step: str
    command: str
    node: int
    index: int
    how: str
    answer: str | None
    most: int

    def to_row(self) -> dict[str, Any]:
        """As plain values: what an interrupt shows and a checkpoint keeps."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Question:
        """The question those values stand for."""
        return cls(**row)

    def __str__(self) -> str:
        """As a person reads it, without any character that could hide or overwrite others on a terminal."""
        parts = [f"Task: {self.task}"]
        if self.before:
            parts.append(f"So far:\n{self.before}")
        if self.step:
            parts.append(f"Step {self.node}:\n{self.step}")
        if self.command:
            parts.append(f"Command: {self.command}")
        parts.append(self.ask)
        return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in "\n\n".join(parts))


Person: TypeAlias = Callable[[Question], str | Awaitable[str]]
"""Answers questions in the process that runs; `str(question)` is what to show."""


class Asking:
    """Says which calls a person is asked about before anything else is done.

    Args:
        settings: The blueprint's settings of *enrich*.
        refuses: The safety check: what it refuses is not carried out, so nobody is asked about it.
    """

    def __init__(self, settings: Enrich, refuses: Callable[[str], str | None] | None = None) -> None:
        self._settings = settings
        self._refuses = refuses

    def question(self, call: Call, structure: ReasoningStructure) -> Question | None:
        """What a person is asked before a call is carried out, or in its place; `None` where nobody is."""
        if call.op != "enrich":
            return None
        settings = self._settings.variant(call.how)
        if settings.kind == HUMAN:
            return _question("reply", settings.ask or COMMENT, call, structure, settings)
        if not settings.approve or call.how == END or decided(structure, call) is not None:
            return None
        command = command_in(structure.steps[call.nodes[0]].text, settings)
        if not command or (self._refuses is not None and self._refuses(command) is not None):
            return None
        return _question("approval", settings.ask or MAY_IT, call, structure, settings, command)


def asks_people(settings: Enrich) -> bool:
    """Whether any variant may ask a person."""
    variants = [settings.variant(how) for how in ("", *settings.variants)]
    return any(variant.kind == HUMAN or variant.approve for variant in variants)


def command_in(text: str, settings: Enrich) -> str:
    """The command of a step, as it would be carried out; "" where there is none, or none that does anything."""
    kind = settings.kind
    if kind == "tool":
        action = one_command(text) if settings.one_command else parse_action(text)
        if action is None or isinstance(action, str) or action.name.lower() == "finish":
            return ""
        return f"{action.name}[{action.arguments_text}]"
    if kind == "environment":
        return read_command(text) or ""
    return text if kind == "code" else ""


def decided(structure: ReasoningStructure, call: Call) -> bool | None:
    """What a person decided about the command of a call; `None` where nobody was asked."""
    value = structure.asides.get((call.nodes[0], decision(call.index)))
    return None if value is None else value > 0


def decision(index: int) -> str:
    """The variant under which the decision on the call of this index is observed."""
    return APPROVE if index == 0 else f"{APPROVE}-{index}"


def refused(structure: ReasoningStructure, node: int) -> bool:
    """Whether a person refused the command of a node: it was never carried out, and no replay may carry it out."""
    return structure.asides.get((node, APPROVE)) == 0.0


def events(question: Question, reply: object) -> list[Event]:
    """What a reply comes to: the words added, the leave given, or the refusal, which is what the step observes."""
    text = _words(reply)[: question.most]
    if question.kind == "reply":
        if not text:
            reason = "the person said nothing"
            return [Failed(of="enrich", nodes=(question.node,), index=question.index, how=question.how, reason=reason)]
        return [_added(question, text if question.node == ROOT else marked("Person", text), text)]
    leave = text.lower().rstrip(".!") in YES
    decided_now = Evaluated(
        node=question.node,
        index=FIRST_DECISION + question.index,
        value=1.0 if leave else 0.0,
        aside=True,
        how=decision(question.index),
        source=HUMAN,
        note=text,
    )
    if leave:
        return [decided_now]
    why = f"{REFUSED} a person did not allow it" + ("" if text.lower() in ("", "no", "n") else f" ({text})")
    return [decided_now, _added(question, marked("Observation", why), why)]


def marked(who: str, text: str) -> str:
    """Words as they stand in a step: no line of them can pass for one of the step's own."""
    return f"{who}: " + "\n| ".join(text.splitlines())


def _added(question: Question, addition: str, note: str) -> Enriched:
    return Enriched(
        node=question.node,
        index=question.index,
        how=question.how,
        text="\n".join(filter(None, (question.step, addition))),
        answer=question.answer,
        source=HUMAN,
        note=note,
    )


def _question(
    kind: Literal["reply", "approval"],
    ask: str,
    call: Call,
    structure: ReasoningStructure,
    settings: Enrich,
    command: str = "",
) -> Question:
    node = call.nodes[0]
    step = structure.steps[node]
    return Question(
        kind=kind,
        ask=ask,
        task="\n".join(filter(None, (structure.task.question, structure.task.context))),
        before="\n".join(before.text for before in structure.path(node).steps[:-1]),
        step=structure.lessons if node == ROOT else step.text,
        command=command,
        node=node,
        index=call.index,
        how=call.how,
        answer=step.answer,
        most=settings.observation,
    )


def _words(reply: object) -> str:
    """A reply as text: people answer with words, programs also with a truth value or with `{"reply": ...}`."""
    if isinstance(reply, Mapping) and len(reply) == 1:
        (reply,) = reply.values()
    if isinstance(reply, bool):
        return "yes" if reply else "no"
    return "" if reply is None else str(reply).strip()
