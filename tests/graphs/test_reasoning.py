"""The graph as a LangGraph user meets it: compiled with a saver of their own, interrupted, forked, streamed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from tests.support.engine import QUICK, Oracle, seeds_of, tree, value_of
from tests.support.virtual_time import others, run_virtually, turns
from typing_extensions import TypedDict

from reflectree.graphs.reasoning import build_graph
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Row
from reflectree.rlm_ops.trace import Trace

TASK = {"task": "What is 6 times 7?"}


def compiled(policy: Oracle, saver: Any = None, interrupt_before: list[str] | None = None, **options: Any) -> Any:
    settings: dict[str, Any] = {
        "blueprint": tree(),
        "evaluator": value_of,
        "concurrency": 3,
        "retries": QUICK,
        **options,
    }
    return build_graph(policy=policy, **settings).compile(checkpointer=saver, interrupt_before=interrupt_before)


def thread(name: str = "t", **more: Any) -> dict[str, Any]:
    return {"configurable": {"thread_id": name, **more}, "recursion_limit": 10_000}


def sound(rows: list[Row]) -> Trace:
    trace = Trace.from_rows(rows)
    assert trace.verify() == []
    return trace


def test_it_needs_no_saver() -> None:
    policy = Oracle(latency=lambda number: number % 3)
    state = run_virtually(compiled(policy).ainvoke(TASK, {"recursion_limit": 10_000}))
    trace = sound(state["trace"])
    assert trace.usage.calls == len(policy.requests) > 10
    assert trace.answered is not None
    assert state["answer"] == trace.answered.answer
    assert set(state) == {"answer", "trace"}


def test_a_task_may_be_given_in_words() -> None:
    policy = Oracle()
    task = {"question": "Which?", "context": "Some text.", "examples": [["1+1?", ["Two."], "2"]], "id": "t1"}
    trace = sound(run_virtually(compiled(policy).ainvoke({"task": task}, {"recursion_limit": 10_000}))["trace"])
    assert trace.began is not None
    assert (trace.began.context, trace.began.task_id) == ("Some text.", "t1")
    assert [message.role for message in policy.requests[0].messages] == ["system", "user", "assistant", "user"]


def test_without_a_task_it_says_what_to_give() -> None:
    with pytest.raises(BadInput, match="invoke the graph with"):
        run_virtually(compiled(Oracle()).ainvoke({"task": None}))
    with pytest.raises(BadInput, match="the task is empty"):
        run_virtually(compiled(Oracle()).ainvoke({"task": "  "}))


@pytest.mark.parametrize("node", ["controller", "generator", "evaluator", "answer"])
def test_interrupted_before_any_node_and_resumed(node: str) -> None:
    policy = Oracle(latency=lambda number: number % 3)

    async def story() -> tuple[Trace, int]:
        graph = compiled(policy, InMemorySaver(), [node])
        await graph.ainvoke(TASK, thread(), durability="sync")
        stops = 0
        while (await graph.aget_state(thread())).next:
            stops += 1
            await asyncio.sleep(0.5)
            await graph.ainvoke(None, thread(), durability="sync")
        await turns()
        assert others() == []
        return sound((await graph.aget_state(thread())).values["trace"]), stops

    trace, stops = run_virtually(story())
    assert stops >= 1
    assert trace.usage.calls == len(policy.requests), "what is in flight at an interrupt is neither lost nor repeated"


@pytest.mark.parametrize("node", ["controller", "generator", "evaluator"])
@pytest.mark.parametrize("times", [1, 4])
def test_interrupted_here_and_resumed_in_another_process(node: str, times: int) -> None:
    """Another graph object stands for another process: it knows nothing of the first one's live run."""

    async def story() -> None:
        saver = InMemorySaver()
        first = Oracle()
        graph = compiled(first, saver, [node])
        for turn in range(times):
            await graph.ainvoke(None if turn else TASK, thread(), durability="sync")
        before = (await graph.aget_state(thread())).values["trace"]
        second = Oracle()
        state = await compiled(second, saver).ainvoke(None, thread(), durability="sync")
        assert not seeds_of(Trace.from_rows(before)) & set(second.asked)
        assert state["trace"][: len(before)] == before
        assert sound(state["trace"]).answered is not None

    run_virtually(story())


@pytest.mark.parametrize("back", range(1, 20, 3))
@pytest.mark.parametrize("stop", [None, "controller", "generator", "evaluator"])
@pytest.mark.parametrize("wait", [0.0, 10.0])
def test_time_travel_in_the_same_process_continues_independently(stop: str | None, back: int, wait: float) -> None:
    """From an earlier checkpoint, while the first run is interrupted with calls in flight or settled, or finished."""

    async def story() -> None:
        policy = Oracle(latency=lambda number: number % 4)
        graph = compiled(policy, InMemorySaver(), [stop] if stop else None)
        await graph.ainvoke(TASK, thread(), durability="sync")
        for _ in range(7 if stop else 0):
            await graph.ainvoke(None, thread(), durability="sync")
        await asyncio.sleep(wait)
        history = [state async for state in graph.aget_state_history(thread()) if state.values.get("trace")]
        chosen = history[min(back, len(history) - 1)]
        config = {**thread(), "configurable": chosen.config["configurable"]}
        await graph.ainvoke(None, config, durability="sync")
        while (await graph.aget_state(thread())).next:  # the fork is the thread's latest from now on
            await graph.ainvoke(None, thread(), durability="sync")
        rows = (await graph.aget_state(thread())).values["trace"]
        before = chosen.values["trace"]
        assert rows[: len(before)] == before
        assert sound(rows).answered is not None
        await turns()
        assert others() == []

    run_virtually(story())


def test_two_runs_at_once_in_one_compiled_graph() -> None:
    async def story() -> None:
        policy = Oracle(latency=lambda number: number % 3)
        graph = compiled(policy, InMemorySaver())
        states = await asyncio.gather(
            *(graph.ainvoke({"task": f"Question {n}?"}, thread(str(n)), durability="sync") for n in range(5))
        )
        traces = [sound(state["trace"]) for state in states]
        assert [trace.began.question for trace in traces if trace.began] == [f"Question {n}?" for n in range(5)]
        assert sum(trace.usage.calls for trace in traces) == len(policy.requests)
        for n, trace in enumerate(traces):
            alone = await compiled(Oracle(), InMemorySaver()).ainvoke({"task": f"Question {n}?"}, thread("alone"))
            assert len(sound(alone["trace"])) > 10
            assert trace.usage.calls > 5

    run_virtually(story())


def test_a_thread_may_be_asked_again() -> None:
    async def story() -> None:
        graph = compiled(Oracle(), InMemorySaver())
        first = await graph.ainvoke({"task": "First?"}, thread(), durability="sync")
        second = await graph.ainvoke({"task": "Second?"}, thread(), durability="sync")
        assert sound(first["trace"]).began.question == "First?"  # type: ignore[union-attr]
        assert sound(second["trace"]).began.question == "Second?"  # type: ignore[union-attr]
        saved = (await graph.aget_state(thread())).values["trace"]
        assert saved == second["trace"]

    run_virtually(story())


def test_updates_and_values_stream() -> None:
    async def story() -> None:
        policy = Oracle()
        graph = compiled(policy, InMemorySaver())
        rows: list[Row] = []
        nodes = []
        async for update in graph.astream(TASK, thread(), stream_mode="updates", durability="sync"):
            for node, change in update.items():
                nodes.append(node)
                rows += (change or {}).get("trace") or []
        assert nodes[:2] == ["recall", "controller"]
        assert nodes[-1] == "answer"
        saved = (await graph.aget_state(thread())).values["trace"]
        assert len(rows) == len(saved)
        events: list[Row] = []
        async for part in graph.astream(TASK, thread("u"), stream_mode="custom", durability="sync"):
            events += part["events"]
        final = (await graph.aget_state(thread("u"))).values["trace"]
        assert events == final[: len(events)]
        assert len(events) >= len(final) - 1

    run_virtually(story())


async def test_an_async_sqlite_saver_of_the_users_own(tmp_path: Path) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "mine.sqlite")) as saver:
        policy = Oracle()
        graph = compiled(policy, saver, ["generator"])
        await graph.ainvoke(TASK, thread(), durability="sync")
        for _ in range(4):
            await graph.ainvoke(None, thread(), durability="sync")
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "mine.sqlite")) as saver:
        again = Oracle()
        graph = compiled(again, saver)
        before = (await graph.aget_state(thread())).values["trace"]
        state = await graph.ainvoke(None, thread(), durability="sync")
        assert state["trace"][: len(before)] == before
        assert not seeds_of(Trace.from_rows(before)) & set(again.asked)
        assert sound((await graph.aget_state(thread())).values["trace"]) == Trace.from_rows(state["trace"])


def test_it_is_a_node_of_a_larger_graph() -> None:
    class Outer(TypedDict):
        task: str
        answer: str | None

    async def story() -> None:
        outer = StateGraph(Outer).add_node("think", compiled(Oracle())).add_edge(START, "think").compile()
        state = await outer.ainvoke({"task": "What?", "answer": None}, {"recursion_limit": 10_000})
        assert state["answer"] is not None

    run_virtually(story())


@pytest.mark.parametrize(
    ("options", "said"),
    [({"blueprint": tree(width=3)}, "begun with another blueprint"), ({"seed": 5}, "begun with seed 0")],
)
def test_a_thread_is_not_continued_with_another_blueprint_or_seed(options: dict[str, Any], said: str) -> None:
    async def story() -> None:
        saver = InMemorySaver()
        await compiled(Oracle(), saver, ["generator"]).ainvoke(TASK, thread(), durability="sync")
        policy = Oracle()
        with pytest.raises(TraceError, match=said) as error:
            await compiled(policy, saver, **options).ainvoke(None, thread(), durability="sync")
        assert "\n" not in str(error.value)
        assert policy.requests == []
        state = await compiled(policy, saver).ainvoke(None, thread(), durability="sync")
        sound(state["trace"])

    run_virtually(story())


def test_a_checkpoint_carries_ids_and_never_texts() -> None:
    async def story() -> None:
        graph = compiled(Oracle(lambda request, number: f"a-long-step-text {number}"), InMemorySaver(), ["generator"])
        await graph.ainvoke(TASK, thread(), durability="sync")
        for _ in range(4):
            await graph.ainvoke(None, thread(), durability="sync")
            state = await graph.aget_state(thread())
            tiny = {name: value for name, value in state.values.items() if name != "trace"}
            assert "a-long-step-text" not in repr(tiny)
            assert len(repr(tiny)) < 200

    run_virtually(story())
