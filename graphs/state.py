"""What the graph's checkpoint holds: the trace, in a delta channel, and nothing else that grows.

The trace's rows are plain JSON values, so a checkpoint is readable by anything and nothing has to be allowed to be
revived from it.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from langgraph.channels.delta import DeltaChannel
from langgraph.channels.ephemeral_value import EphemeralValue
from typing_extensions import TypedDict

from reflectree.rlm_ops.task import Example, Form, Task
from reflectree.rlm_ops.trace import append

SNAPSHOT_FREQUENCY = 1000
"""Updates between full snapshots of the trace; the default of 100 writes eight times the bytes."""


class TaskInput(TypedDict):
    """A task as the graph takes it: words only. The verifier is given when the graph is built."""

    question: str
    context: NotRequired[str]
    examples: NotRequired[list[list[Any]]]
    tools: NotRequired[list[str]]
    id: NotRequired[str]
    form: NotRequired[Form]


class ReasoningInput(TypedDict):
    """The graph's input: a question, or a task in words."""

    task: str | TaskInput


class ReasoningState(TypedDict):
    """The graph's state.

    Attributes:
        task: The input; gone after the first superstep, when it has become the trace's first event.
        trace: The events' rows, numbered.
        run: The key of the live run in this process; what it points to is rebuilt where it is absent.
        elapsed: Seconds spent, where the budget caps them.
        answer: The answer, once there is one.
    """

    task: Annotated[str | TaskInput, EphemeralValue]
    trace: Annotated[list[dict[str, Any]], DeltaChannel(append, snapshot_frequency=SNAPSHOT_FREQUENCY)]
    run: str
    elapsed: float
    answer: str | None


class ReasoningOutput(TypedDict):
    """The graph's output."""

    answer: str | None
    trace: list[dict[str, Any]]


class AgentInput(TypedDict):
    """What a `Send` carries to an agent: ids, never texts, because it is written to the checkpoint."""

    run: str
    turn: str
    calls: list[list[Any]]


class PersonInput(TypedDict):
    """What a `Send` carries to a person: the question itself, because the reply may come to another process."""

    question: dict[str, Any]


class AnswerInput(TypedDict):
    """What a `Send` carries to the answer node."""

    run: str
    turn: str
    reason: str


def task_input(task: Task) -> TaskInput:
    """The task in words, without its verifier."""
    data: TaskInput = {"question": task.question}
    if task.context:
        data["context"] = task.context
    if task.examples:
        data["examples"] = [[example.question, list(example.steps), example.answer] for example in task.examples]
    if task.tools:
        data["tools"] = list(task.tools)
    if task.id:
        data["id"] = task.id
    if task.form != "line":
        data["form"] = task.form
    return data


def task_from(value: str | TaskInput) -> Task:
    """The task an input stands for.

    Raises:
        BadInput: It is empty.
    """
    if isinstance(value, str):
        return Task(value)
    examples = tuple(Example(asked, tuple(steps), answer) for asked, steps, answer in value.get("examples", ()))
    return Task(
        value["question"],
        value.get("context", ""),
        examples,
        tuple(value.get("tools", ())),
        id=value.get("id", ""),
        form=value.get("form", "line"),
    )
