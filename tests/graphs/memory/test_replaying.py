"""The gate that replays the task: a lesson is proven if the task that failed passes with it, and dropped if not."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from tests.graphs.memory.test_remembering import LESSON, Check, ledger, plan, run, say

from reflectree.graphs.run import asaved_trace
from reflectree.memory.records import task_key
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.reflected import Reflected
from reflectree.rlm_ops.remembering import Learn
from reflectree.rlm_ops.trace import Trace

WRONG = "Never draw anything, and trust the first guess you have."
QUESTION = "How many posts?"
REPLAYS = plan({"how": "reflect", "when": "failure", "replay": 1})
TRIES = Blueprint.parse(
    {
        "name": "tries",
        "scheme": {"granularity": "solution", "strategy": {"name": "reflexion", "trials": 2, "confidence": 0.9}},
        "operators": {"enrich": {"kind": "reflect"}},
        "memory": {"recall": {"control": 0.0}, "learn": [{"how": "reflect", "when": "failure", "replay": 1}]},
    }
)
"""Two attempts with a reflection between them, the lesson, and the same once more without a lesson: seven calls."""


def wrong(request: Request, sample: int) -> str:
    """Learns nothing that helps."""
    return str(say(request, sample)).replace(LESSON, WRONG)


def stubborn(request: Request, sample: int) -> str:
    """Never succeeds, whatever it is told."""
    said = wrong(request, sample)
    return "I think again." if "What to do differently?" in request.messages[-1].content else said


def replays(trace: Trace) -> list[Reflected]:
    return [event for event in trace if isinstance(event, Reflected) and event.how == "replay"]


async def test_a_lesson_with_which_the_failed_task_passes_is_proven() -> None:
    book, policy = ledger(), ScriptedPolicy(say)
    result = await run(QUESTION, book, policy, blueprint=REPLAYS)
    (replay,) = replays(result.trace)
    assert replay.items[0]["success"]
    assert replay.source == "verifier"
    assert replay.usage.calls == 1
    assert LESSON in policy.requests[-1].messages[-1].content, "it was shown the lesson"
    assert LESSON not in policy.requests[-1].messages[0].content
    (lesson,) = book.state.records.values()
    assert lesson.standing.support == (task_key(QUESTION),)
    assert lesson.standing.trust == "candidate", "one task is not enough"
    assert not result.selected_correct, "the answer is the run's own: what was learnt is for later ones"
    assert result.usage.calls == len(policy.requests) == 3
    assert result.trace.verify() == []
    assert book.state.clock == 1, "the replay is no run of its own in the memory"


async def test_a_lesson_that_does_not_help_is_dropped() -> None:
    book = ledger()
    result = await run(QUESTION, book, ScriptedPolicy(wrong), blueprint=REPLAYS)
    (replay,) = replays(result.trace)
    assert not replay.items[0]["success"]
    assert not book.state.records
    await run(QUESTION, book, ScriptedPolicy(wrong), blueprint=plan({"how": "reflect", "when": "failure"}))
    assert len(book.state.records) == 1, "without the gate it is kept"


async def test_all_replays_must_succeed_and_none_follows_one_that_did_not() -> None:
    book, seeds = ledger(), set()

    def lucky(request: Request, sample: int) -> str:
        if WRONG in request.messages[-1].content and request.json_schema is None:
            seeds.add(request.seed)
            return "Answer: 14" if len(seeds) == 1 else "Answer: 13"
        return wrong(request, sample)

    blueprint = plan({"how": "reflect", "when": "failure", "replay": 3})
    result = await run(QUESTION, book, ScriptedPolicy(lucky), blueprint=blueprint)
    assert [event.items[0]["success"] for event in replays(result.trace)] == [True, False]
    assert not book.state.records
    result = await run(QUESTION, book, ScriptedPolicy(say), blueprint=blueprint)
    assert [event.items[0]["success"] for event in replays(result.trace)] == [True] * 3
    assert len({event.index for event in replays(result.trace)}) == 3
    assert len(book.state.records) == 1


async def test_a_run_that_succeeded_is_not_replayed() -> None:
    book = ledger()
    await run("How many posts has a fence?", book, blueprint=REPLAYS)
    policy = ScriptedPolicy(say)
    blueprint = plan({"how": "reflect", "replay": 1})
    result = await run("How many posts has a hedge?", book, policy, blueprint=blueprint)
    assert result.selected_correct
    assert not replays(result.trace)


async def test_what_the_run_was_shown_is_shown_again() -> None:
    book, policy = ledger(), ScriptedPolicy(wrong)
    await run("How many posts has a fence?", book, policy, blueprint=plan({"how": "reflect", "when": "failure"}))

    def other(request: Request, sample: int) -> str:
        return str(say(request, sample))

    policy = ScriptedPolicy(other)
    result = await run("How many posts has a hedge?", book, policy, blueprint=REPLAYS)
    last = policy.requests[-1].messages[-1].content
    assert WRONG in last
    assert LESSON in last
    assert replays(result.trace)[0].items[0]["success"]


@pytest.mark.parametrize(("blueprint", "calls"), [(REPLAYS, 2), (TRIES, 4), (TRIES, 5), (TRIES, 6)])
async def test_where_the_budget_allows_no_replay_the_lesson_is_a_candidate(blueprint: Blueprint, calls: int) -> None:
    """With no call left for it, or cut short in the middle, nothing is known of the lesson."""
    book = ledger()
    result = await run(QUESTION, book, ScriptedPolicy(stubborn), blueprint=blueprint, budget=Budget(calls=calls))
    assert result.usage.calls == calls
    (failed,) = (event for event in result.trace if isinstance(event, Failed))
    assert failed.how == "replay"
    assert "budget" in failed.reason
    assert result.trace.verify() == []
    (lesson,) = book.state.records.values()
    assert not lesson.standing.support


async def test_a_model_that_refuses_the_replay_costs_neither_the_answer_nor_the_lesson() -> None:
    book = ledger()

    def broken(request: Request, sample: int) -> Any:
        if LESSON in request.messages[-1].content:
            return ModelError("the request was refused: use another model")
        return say(request, sample)

    result = await run(QUESTION, book, ScriptedPolicy(broken), blueprint=REPLAYS)
    assert result.answer == "13"
    assert [event.how for event in result.trace if isinstance(event, Failed)] == ["replay"]
    assert len(book.state.records) == 1


@pytest.mark.parametrize("at", [2, 3, 4])
async def test_a_killed_run_pays_nothing_of_a_replay_twice(at: int) -> None:
    """Killed at the reflection, at the replay's first attempt, at its second: what had settled is not asked again."""
    book, saver = ledger(), InMemorySaver()

    def dying(number: int) -> float:
        if number == at + 1:
            work.cancel()
        return 0.01

    def options() -> dict[str, Any]:
        return {"blueprint": TRIES, "checkpoint": saver, "run_id": "r", "verifier": Check()}

    first = ScriptedPolicy(stubborn, latency=dying)
    work = asyncio.ensure_future(run(QUESTION, book, first, **options()))
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert len(first.requests) == at + 2
    saved = await asaved_trace("r", saver)
    assert not book.state.records
    second = ScriptedPolicy(stubborn)
    result = await run(QUESTION, book, second, **options())
    assert result.trace.rows[: len(saved)] == saved.rows
    assert result.trace.verify() == []
    assert result.usage.calls == 7
    assert len(second.requests) == 7 - (at + 1)
    (replay,) = replays(result.trace)
    assert not replay.items[0]["success"]
    assert not book.state.records
    threads = {config.get("configurable", {})["thread_id"] for config, *_ in saver.list(None)}
    assert threads == {"r"}, "what the replay had saved is gone"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"verifier": None}, "replay wants a check"),
        ({"verifier": Check(gold=True)}, "replay wants a check"),
        ({"blueprint": plan({"how": "reflect", "replay": 1}, feedback="judge")}, "replay wants a check"),
    ],
)
async def test_replays_that_nobody_can_check_are_refused_before_anything_is_paid(
    options: dict[str, Any], message: str
) -> None:
    policy = ScriptedPolicy(say)
    with pytest.raises(BadInput, match=message):
        await run(QUESTION, ledger(), policy, **{"blueprint": REPLAYS, **options})
    assert not policy.requests


async def test_gold_proves_nothing_even_with_an_oracle() -> None:
    with pytest.raises(BadInput, match="knows no gold answer"):
        await run(QUESTION, ledger(oracle=True), blueprint=REPLAYS, verifier=Check(gold=True), oracle=True)


def test_only_lessons_of_failures_are_replayed() -> None:
    with pytest.raises(BadInput, match="lessons of failures"):
        plan({"how": "skill", "replay": 1})
    with pytest.raises(BadInput, match="lessons of failures"):
        plan({"how": "reflect", "when": "success", "replay": 1})


def test_a_blueprint_without_it_is_what_it_was() -> None:
    assert "replay" not in Learn(how="reflect").model_dump()
    assert Learn(how="reflect", replay=2).model_dump()["replay"] == 2
    assert plan({"how": "reflect"}).digest == plan({"how": "reflect", "replay": 0}).digest
