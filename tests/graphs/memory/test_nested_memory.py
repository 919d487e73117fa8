"""A run inside another one is shown what that one was shown of a memory, and neither recalls nor learns by itself."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graphs.memory.test_remembering import LESSON, ledger, run, say

from reflectree.graphs.result import Result
from reflectree.memory.records import Origin, Reflection
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.events import Began, Grown
from reflectree.rlm_ops.trace import Trace


def forest(control: float, replay: int = 0, inner: Any = None) -> Blueprint:
    """Two trees, each a run of its own with a memory part that would learn, were it not nested."""
    learn = {"how": "reflect", "when": "failure", "replay": replay}
    plan = {
        "name": "tree",
        "scheme": {"granularity": "solution", "strategy": {"name": "cot"}},
        "memory": {"recall": {"control": 0.0}, "learn": [{"how": "reflect"}]},
    }
    return Blueprint.parse(
        {
            "name": "outer",
            "scheme": {
                "structure": "forest",
                "granularity": "solution",
                "strategy": {"name": "forest", "trees": 2, "consensus": None, "judge_ties": False},
            },
            "operators": {"generate": {"variants": {"tree": {"nested": {"blueprint": inner or plan}}}}},
            "selection": "majority",
            "memory": {"recall": {"control": control, "probation": 6}, "learn": [learn]},
        }
    )


def insides(result: Result) -> list[Trace]:
    return [Trace.from_rows(event.trace, run_id=event.run) for event in result.trace if isinstance(event, Grown)]


def knowing() -> Any:
    book = ledger()
    book.write(Reflection(lesson=LESSON, task="How many posts?", origin=Origin(source="user")))
    return book


async def test_it_is_shown_what_the_outer_run_was_shown() -> None:
    book, policy = knowing(), ScriptedPolicy(say)
    result = await run("How many posts has a fence?", book, policy, blueprint=forest(0.0))
    assert result.selected_correct
    traces = insides(result)
    assert len(traces) == 2
    for trace in traces:
        assert trace.verify() == []
        assert [event.op for event in trace] == ["task", "generate", "answer"], "it learns nothing"
        began = trace[0]
        assert isinstance(began, Began)
        assert began.recalled == result.trace.began.recalled  # type: ignore[union-attr]
    assert all(LESSON in request.messages[-1].content for request in policy.requests)
    assert all(LESSON not in request.messages[0].content for request in policy.requests)
    (lesson,) = book.state.records.values()
    assert (lesson.standing.uses, lesson.standing.wins, book.state.clock) == (1, 1, 1), "one run, one outcome"


async def test_in_the_control_arm_neither_is_shown_anything() -> None:
    book, policy = knowing(), ScriptedPolicy(say)
    result = await run("How many posts has a fence?", book, policy, blueprint=forest(1.0))
    assert result.answer == "13"
    assert not any(LESSON in r.messages[-1].content for r in policy.requests if r.json_schema is None)
    assert all(trace.began.arm == "" for trace in insides(result) if trace.began is not None)


async def test_runs_inside_runs_inside_runs_are_shown_it_too() -> None:
    inner = {**forest(0.0).model_dump(), "name": "middle"}
    result = await run("How many posts has a fence?", knowing(), blueprint=forest(0.0, inner=inner))
    assert result.selected_correct
    deep = [event for trace in insides(result) for event in trace if isinstance(event, Grown)]
    assert len(deep) == 4
    assert all(event.answer == "14" for event in deep)


async def test_without_a_memory_nothing_is_shown() -> None:
    result = await run("How many posts has a fence?", None, blueprint=forest(0.0))
    assert [trace.began.arm for trace in insides(result) if trace.began is not None] == ["", ""]


@pytest.mark.parametrize("checkpoint", [False, True])
async def test_a_replay_of_nested_runs_shows_them_the_lesson(checkpoint: bool) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    book, saver = ledger(), InMemorySaver() if checkpoint else None
    options = {"checkpoint": saver, "run_id": "r"} if checkpoint else {}
    result = await run("How many posts has a fence?", book, blueprint=forest(0.0, replay=1), **options)
    assert not result.selected_correct
    assert [record.standing.support != () for record in book.state.records.values()] == [True]
    assert result.usage.calls == 5
    if saver is not None:
        assert {config.get("configurable", {})["thread_id"] for config, *_ in saver.list(None)} == {"r"}
