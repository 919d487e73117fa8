"""The people a run asks: who answers in this process, and the node that asks them or interrupts the graph.

What is asked, and what becomes of a reply, is in `reflectree.agents.asking`; when, in `reflectree.graphs.questions`.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import interrupt

from reflectree.agents import asking
from reflectree.agents.safety import Check, guarded_environment
from reflectree.agents.tool_calls import in_thread
from reflectree.graphs.setup import Setup
from reflectree.graphs.state import PersonInput
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import to_row

NOBODY = (
    "blueprint {name} asks a person: give person=..., a function of the question, or a checkpoint, with which the run "
    "waits for a reply"
)
"""Says what to give a run that would ask nobody."""
_CHECKPOINTER = "__pregel_checkpointer"
"""Where LangGraph tells a node of the checkpointer; it has no public name."""


def with_people(setup: Setup, person: asking.Person | None, check: Check | None) -> Setup:
    """The set-up with who answers its questions, and with the check that commands must pass; nested ones as well.

    Raises:
        BadInput: A nested run asks a person, and nobody answers: it cannot wait for a reply by itself.
    """
    if person is not None and not callable(person):
        raise BadInput(f"person={person!r:.60}: give a function of the question that returns the reply")
    inner = {how: with_people(nested, person, check) for how, nested in setup.inner.items()}
    for nested in inner.values():
        if nested.asking is not None and person is None:
            raise BadInput(f"nested blueprint {nested.blueprint.name} asks a person: give person=...")
    environment = setup.environment
    if environment is not None and check is not None:
        environment = guarded_environment(environment, check)
    return replace(setup, inner=inner, environment=environment, person=person, safety=check)


class PersonNode:
    """Asks a person, and puts what they said into the trace.

    A question that nobody here answers interrupts the graph. When the reply comes, this node begins anew, in another
    process perhaps: so it does nothing before, and needs nothing but what it was sent.

    Args:
        person: Answers questions in this process, where there is one.
    """

    def __init__(self, person: asking.Person | None) -> None:
        self._person = person

    async def __call__(self, state: PersonInput) -> dict[str, Any]:
        """Ask one question."""
        row = state["question"]
        question = asking.Question.from_row(row)
        reply = interrupt(row) if self._person is None else await _answer_of(self._person, question)
        return {"trace": [to_row(event) for event in asking.events(question, reply)]}


async def _answer_of(person: asking.Person, question: asking.Question) -> object:
    """What a function says, as it says it: `None` is silence, and a truth value is leave or none.

    A function that is not async may wait for a keyboard, in a thread of its own.
    """
    if inspect.iscoroutinefunction(person):
        return await person(question)
    reply = await in_thread(person, question)
    return await reply if inspect.isawaitable(reply) else reply


def pauses(config: RunnableConfig) -> bool:
    """Whether the graph was compiled with a checkpointer, without which an interrupted run is lost."""
    return config.get("configurable", {}).get(_CHECKPOINTER, True) is not None
