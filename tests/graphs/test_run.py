from __future__ import annotations

import asyncio
import contextlib
import gc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from tests.support.engine import QUICK, Oracle, search, tree, value_of
from tests.support.virtual_time import others, run_virtually, turns

import reflectree as rt
from reflectree.graphs.run import aresume, asolve, resume, solve
from reflectree.models.base import Request
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelRejected, TraceError
from reflectree.rlm_ops.task import Task


def test_solve_and_resume_without_a_loop(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    options: dict[str, Any] = {"blueprint": tree(), "evaluator": value_of, "policy": Oracle()}
    result = solve("What is 6 times 7?", checkpoint=path, run_id="r", **options)
    policy = Oracle()
    again = resume("r", path, policy=policy, evaluator=value_of)
    assert again.trace.rows == result.trace.rows
    assert policy.requests == []


async def test_solve_inside_a_running_loop() -> None:
    assert rt.solve("Q?", policy=Oracle(), blueprint=tree(), evaluator=value_of).stop_reason == "complete"


def test_a_run_id_is_given_to_each_run() -> None:
    first, second = (run_virtually(search(Oracle(), run_id=None)) for _ in range(2))
    assert first.run_id
    assert first.run_id != second.run_id
    assert first.trace.run_id == first.run_id


def test_resume_takes_task_blueprint_and_seed_from_the_run() -> None:
    async def story() -> None:
        saver = InMemorySaver()
        task = Task("Which?", "Some text.", id="t1")
        first = Oracle(lambda request, number: ModelRejected("401", 401) if number == 4 else "a step")
        with pytest.raises(ModelRejected):
            await search(first, task=task, checkpoint=saver, seed=9, blueprint=tree(distinct=False), concurrency=1)
        policy = Oracle()
        result = await aresume("run", saver, policy=policy, evaluator=value_of)
        assert result.trace.began is not None
        assert (result.trace.began.seed, result.trace.began.task_id) == (9, "t1")
        assert "Some text." in policy.requests[0].messages[-1].content
        assert result.trace.verify() == []

    run_virtually(story())


def test_there_is_nothing_to_resume(tmp_path: Path) -> None:
    policy = Oracle()
    with pytest.raises(BadInput, match="no run 'x' in this checkpoint"):
        run_virtually(aresume("x", InMemorySaver(), policy=policy))
    with pytest.raises(BadInput, match="no checkpoint at"):
        run_virtually(aresume("x", tmp_path / "absent.sqlite", policy=policy))
    assert list(tmp_path.iterdir()) == []


class Unpriced(Oracle):
    def __init__(self) -> None:
        super().__init__(price=None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": ""}, "the task is empty"),
        ({"task": " \n\t"}, "the task is empty"),
        ({"blueprint": "mtcs"}, "did you mean 'mcts'"),
        ({"blueprint": {"name": "x"}}, "scheme: Field required"),
        ({"policy": Unpriced(), "budget": Budget(usd=1.0)}, "needs a known price"),
        ({"policy": "gpt-nine"}, "unknown model"),
        ({"policy": object()}, "is no model"),
        ({"judge": "gpt-nine"}, "unknown model"),
        ({"evaluator": 5}, "give a function of a Path"),
        ({"verifier": 5}, "give one of reflectree.verifiers"),
        ({"concurrency": 0}, "give at least 1"),
        ({"concurrency": -3}, "give at least 1"),
    ],
)
@pytest.mark.parametrize("on_disk", [False, True])
def test_bad_input_is_one_line_and_pays_and_writes_nothing(
    options: dict[str, Any], said: str, on_disk: bool, tmp_path: Path
) -> None:
    policy = options.get("policy", Oracle())
    checkpoint = tmp_path / "runs.sqlite" if on_disk else None
    with pytest.raises(BadInput, match=said) as error:
        run_virtually(search(policy, checkpoint=checkpoint, **{k: v for k, v in options.items() if k != "policy"}))
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []
    if isinstance(policy, Oracle):
        assert policy.requests == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "Another question?"}, "asked 'What is 6 times 7\\?'"),
        ({"task": Task("What is 6 times 7?", "with a context")}, "use its task, or a new run id"),
        ({"seed": 3}, "begun with seed 0"),
        ({"blueprint": tree(width=3)}, "begun with another blueprint"),
    ],
)
def test_a_run_id_is_not_continued_as_something_else(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"

    async def story() -> None:
        async def gate(number: int) -> None:
            if number == 6:
                work.cancel()

        work = asyncio.ensure_future(search(Oracle(gate=gate), checkpoint=path))
        with contextlib.suppress(asyncio.CancelledError):
            await work
        policy = Oracle()
        with pytest.raises(TraceError, match=said) as error:
            await search(policy, checkpoint=path, **options)
        assert "\n" not in str(error.value)
        assert policy.requests == []
        result = await search(policy, checkpoint=path)
        assert result.trace.verify() == []

    run_virtually(story())


@settings(max_examples=25)
@given(st.integers(0, 200), st.integers(1, 6))
def test_cancelled_at_any_turn_of_the_loop_it_leaves_nothing_behind(count: int, concurrency: int) -> None:
    async def story() -> None:
        policy = Oracle(latency=lambda number: number % 3)
        work = asyncio.ensure_future(search(policy, concurrency=concurrency))
        for _ in range(count):
            await asyncio.sleep(0)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await turns()
        assert others() == []
        assert policy.flying == 0

    run_virtually(story())
    gc.collect()


def test_cancelled_from_a_callback() -> None:
    async def story(event_number: int) -> None:
        seen = 0

        def watch(event: Any, structure: Any) -> None:
            nonlocal seen
            seen += 1
            if seen == event_number:
                work.cancel()

        policy = Oracle(latency=lambda number: number % 3)
        work = asyncio.ensure_future(search(policy, on_event=watch))
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await turns()
        assert others() == []

    for event_number in (1, 2, 5, 9, 20):
        run_virtually(story(event_number))


def test_a_callback_that_raises_ends_the_run_and_it_can_be_resumed() -> None:
    async def story() -> None:
        saver = InMemorySaver()

        def watch(event: Any, structure: Any) -> None:
            if event.seq == 7:
                raise RuntimeError("the screen is gone")

        first = Oracle(latency=lambda number: number % 3)
        with pytest.raises(RuntimeError, match="the screen is gone"):
            await search(first, on_event=watch, checkpoint=saver)
        await turns()
        assert others() == []
        result = await search(Oracle(), checkpoint=saver)
        assert result.trace.verify() == []

    run_virtually(story())


def test_a_defect_in_a_policy_is_shown_and_the_run_can_be_resumed() -> None:
    def say(request: Request, number: int) -> Any:
        return ZeroDivisionError("a bug") if number == 7 else f"step {number}"

    async def story() -> None:
        saver = InMemorySaver()
        with pytest.raises(ZeroDivisionError, match="a bug"):
            await search(Oracle(say), checkpoint=saver)
        await turns()
        assert others() == []
        result = await search(Oracle(), checkpoint=saver)
        assert result.trace.verify() == []

    run_virtually(story())


def test_a_policy_that_is_given_is_left_open() -> None:
    class Closing(Oracle):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    policy = Closing()
    run_virtually(search(policy))
    assert not policy.closed


def test_every_event_is_shown_once_and_in_order() -> None:
    seen: list[Any] = []
    result = run_virtually(search(Oracle(), on_event=lambda event, structure: seen.append(event)))
    assert [event.op for event in seen] == [event.op for event in result.trace]
    assert seen[:-1] == list(result.trace)[:-1]


def test_after_a_resume_only_new_events_are_shown() -> None:
    async def story() -> None:
        saver = InMemorySaver()
        first: list[Any] = []

        async def gate(number: int) -> None:
            if number == 8:
                work.cancel()

        work = asyncio.ensure_future(
            search(Oracle(gate=gate), checkpoint=saver, on_event=lambda event, structure: first.append(event))
        )
        with contextlib.suppress(asyncio.CancelledError):
            await work
        second: list[Any] = []
        result = await search(Oracle(), checkpoint=saver, on_event=lambda event, structure: second.append(event))
        assert second[:-1] == list(result.trace)[len(result.trace) - len(second) : -1]
        assert len(first) + len(second) >= len(result.trace) - 4

    run_virtually(story())


def test_a_judge_of_its_own_is_asked_and_paid() -> None:
    policy, judge = Oracle(), Oracle(lambda request, number: '{"reason": "so", "score": 4}')
    result = run_virtually(search(policy, judge=judge, evaluator=None))
    assert judge.requests
    assert all(request.json_schema for request in judge.requests)
    assert not any(request.json_schema for request in policy.requests)
    assert result.usage.calls == len(judge.requests) + len(policy.requests)


def test_options_reach_the_policy() -> None:
    policy = Oracle()
    result = run_virtually(
        asolve("Q?", policy=policy, blueprint="cot", concurrency=50, retries=QUICK, seed=3, run_id="x")
    )
    assert (result.stop_reason, len(policy.requests)) == ("complete", 1)
