"""The kinds of memory record, each a frozen class: Experience, Reflection, Concept, Skill.

A record says what was learnt (its content), where it comes from (`origin`) and what has become of it (`standing`).
Nothing here knows files, stores or prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from reflectree.memory.records.kept import Kept, Kind, check_id
from reflectree.memory.records.origin import PARENTS_LIMIT
from reflectree.rlm_ops.errors import BadInput

Relation = Literal["necessary", "contributes", "causes", "prevents"]
Certainty = Literal["may", "should"]

SHORT, LONG, WHOLE = 300, 2_000, 20_000
"""Most characters of a title or term, of a lesson, and of a task, solution or skill."""

_VERBS: dict[tuple[str, bool], str] = {
    ("necessary", True): "be necessary to",
    ("necessary", False): "not be necessary to",
    ("contributes", True): "contribute to",
    ("contributes", False): "not contribute to",
    ("causes", True): "cause",
    ("causes", False): "not cause",
    ("prevents", True): "prevent",
    ("prevents", False): "not prevent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience(Kept):
    """A task that was tried, and what came of it.

    Attributes:
        task: The question, context included.
        solution: How it was tried, in short.
        answer: The answer given.
        trace: Reference to the run's trace: a run id or a file's name.
        succeeded: Whether it succeeded, as the origin's source says.
    """

    kind: Literal["experience"] = "experience"
    LIMITS: ClassVar[dict[str, int]] = {"task": WHOLE, "solution": WHOLE, "answer": LONG, "trace": SHORT}
    WANTED: ClassVar[frozenset[str]] = frozenset({"task"})
    task: str
    solution: str = ""
    answer: str = ""
    trace: str = ""
    succeeded: bool

    @property
    def key(self) -> str:
        """The task."""
        return self.task

    @property
    def told(self) -> str:
        """Task, solution, answer and outcome."""
        parts = [f"Task: {self.task}", f"Tried: {self.solution}" * bool(self.solution)]
        parts.append(f"Answer: {self.answer}" * bool(self.answer))
        return "\n".join([*filter(None, parts), f"It {'succeeded' if self.succeeded else 'failed'}."])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflection(Kept):
    """A lesson (ReasoningBank's item form: title, when to use it, content).

    Attributes:
        lesson: What to do, or not to do.
        title: The lesson in a few words.
        cause: The root cause of what failed or succeeded.
        applies: When it applies.
        excludes: When it does not.
        task: The question it was learnt from, to be found by; it is not shown.
    """

    kind: Literal["reflection"] = "reflection"
    LIMITS: ClassVar[dict[str, int]] = {
        "lesson": LONG, "title": SHORT, "cause": LONG, "applies": LONG, "excludes": LONG, "task": WHOLE,
    }  # fmt: skip
    WANTED: ClassVar[frozenset[str]] = frozenset({"lesson"})
    lesson: str
    title: str = ""
    cause: str = ""
    applies: str = ""
    excludes: str = ""
    task: str = ""

    @property
    def key(self) -> str:
        """Title, when it applies, the lesson and the question it was learnt from."""
        return "\n".join(filter(None, (self.title, self.applies, self.lesson, self.task)))

    @property
    def told(self) -> str:
        """The lesson, with its cause and when it applies and when not."""
        parts = [f"{self.title}: {self.lesson}" if self.title else self.lesson]
        parts.append(f"Cause: {self.cause}" * bool(self.cause))
        parts.append(f"Applies: {self.applies}" * bool(self.applies))
        parts.append(f"Not: {self.excludes}" * bool(self.excludes))
        return "\n".join(filter(None, parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept(Kept):
    """A typed abstraction over tasks, in CLIN's form: X may (not) be necessary to Y, should (not) contribute to Y.

    Attributes:
        left: The X.
        relation: How it relates.
        right: The Y.
        polarity: Whether it does; `False` negates.
        certainty: `may` or `should`.
        scope: Where it holds: a family of tasks, an environment.
        support: Ids of the records that speak for it.
        counter: Ids of those that speak against it.
    """

    kind: Literal["concept"] = "concept"
    LIMITS: ClassVar[dict[str, int]] = {"left": SHORT, "right": SHORT, "scope": SHORT}
    WANTED: ClassVar[frozenset[str]] = frozenset({"left", "right"})
    left: str
    relation: Relation
    right: str
    polarity: bool = True
    certainty: Certainty = "may"
    scope: str = ""
    support: tuple[str, ...] = ()
    counter: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super(Concept, self).__post_init__()  # a class with slots is another than the one `super()` would mean
        if self.relation not in get_args(Relation) or self.certainty not in get_args(Certainty):
            raise BadInput(
                f"a concept's relation is one of {', '.join(get_args(Relation))} and its certainty may or should, not "
                f"{self.relation!r} and {self.certainty!r}"
            )
        if len(self.support) > PARENTS_LIMIT or len(self.counter) > PARENTS_LIMIT:
            raise BadInput(f"a concept names at most {PARENTS_LIMIT} records for it and against it")
        for name in (*self.support, *self.counter):
            check_id(name)

    @property
    def key(self) -> str:
        """The statement and its scope."""
        return self.told

    @property
    def told(self) -> str:
        """The statement."""
        said = f"{self.left} {self.certainty} {_VERBS[self.relation, self.polarity]} {self.right}."
        return f"{said} ({self.scope})" if self.scope else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill(Kept):
    """Code or a plan that was verified to do something (Voyager): found by its description, used by its body.

    Attributes:
        name: Its name; a record of the same name is a later version.
        description: What it does, to be found by.
        body: The code or the plan.
        language: `python`, `plan`, ...
        version: 1, 2, ...; the ledger's to give.
    """

    kind: Literal["skill"] = "skill"
    LIMITS: ClassVar[dict[str, int]] = {"name": SHORT, "description": LONG, "body": WHOLE, "language": 40}
    WANTED: ClassVar[frozenset[str]] = frozenset({"name", "description", "body"})
    name: str
    description: str
    body: str
    language: str = "plan"
    version: int = 1

    @property
    def key(self) -> str:
        """Name and description, never the body."""
        return f"{self.name}\n{self.description}"

    @property
    def told(self) -> str:
        """Name, description and body."""
        return f"{self.name} ({self.language}, version {self.version}): {self.description}\n{self.body}"


Record: TypeAlias = Experience | Reflection | Concept | Skill
KINDS: tuple[Kind, ...] = get_args(Kind)
