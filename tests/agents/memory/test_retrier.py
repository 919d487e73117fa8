"""Reflexion's reflections: of the newest failure, with the plans before it, the last few kept."""

from __future__ import annotations

import pytest
from tests.agents.memory.test_learning_agents import Run

from reflectree.agents.memory.retrier import Retrier
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Began, Enriched, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.structure import ReasoningStructure


def failing(trials: int, lessons: str = "") -> ReasoningStructure:
    """A structure in which every trial so far has failed."""
    events: list[Event] = [Began(question="What is 6 times 7?", width=1, root_width=9, seq=0)]
    for trial in range(trials):
        events.append(
            Grown(
                nodes=(0,), index=trial, node=trial + 1, text=f"attempt {trial}", status="terminal", answer=str(trial),
                seq=len(events),
            )
        )  # fmt: skip
        events.append(Evaluated(node=trial + 1, value=0.1, source="tests", seq=len(events)))
    structure = ReasoningStructure()
    for event in events:
        structure.apply(event)
    if lessons:
        structure.apply(Enriched(node=0, index=0, text=lessons, source="reflection", seq=structure.applied))
    return structure


async def reflected(structure: ReasoningStructure, *said: str, window: int = 3) -> tuple[Event, ScriptedPolicy]:
    policy = ScriptedPolicy(list(said))
    run = Run(policy)
    run.structure = structure
    agent = Retrier(Enrich(kind="reflect"), tools={}, models={"policy": policy}, window=window, source="tests")
    (event,) = await agent.carry_out([Call("enrich", (0,), 1)], run)
    return event, policy


async def test_it_reads_the_newest_failure_and_the_plans_before_it() -> None:
    event, policy = await reflected(failing(2, "Multiply next time."), "Add six seven times next time.")
    assert isinstance(event, Enriched)
    assert event.text == "Multiply next time.\nAdd six seven times next time."
    user = policy.requests[0].messages[1].content
    assert "attempt 1" in user
    assert "attempt 0" not in user
    assert "Multiply next time." in user
    assert "it failed, as said by: tests" in user


@pytest.mark.parametrize(("window", "kept"), [(1, ["d d d."]), (3, ["b b b.", "c c c.", "d d d."])])
async def test_the_last_few_are_kept(window: int, kept: list[str]) -> None:
    event, _ = await reflected(failing(1, "a a a.\nb b b.\nc c c."), "d d d.", window=window)
    assert isinstance(event, Enriched)
    assert event.text.split("\n") == kept


async def test_a_plan_that_was_there_already_is_asked_for_once_more_and_then_failed() -> None:
    event, policy = await reflected(failing(1, "Multiply next time."), "multiply next time.", "")
    assert isinstance(event, Failed)
    assert len(policy.requests) == 2
