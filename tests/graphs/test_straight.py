"""Runs without LangGraph: the order of what is written, failures, cancelling, and which runs go that way at all."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import collect_runs
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, Send
from tests.support.author import author
from tests.support.engine import QUICK, value_of
from tests.support.heard import heard
from typing_extensions import TypedDict

from reflectree.graphs.run import asolve
from reflectree.graphs.straight import straight, unobserved
from reflectree.models.base import Reply, Request
from reflectree.rlm_ops.budget import Budget

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def row(note: str) -> dict[str, Any]:
    return {"op": "prune", "note": note}


def _depth() -> int:
    """Frames on the stack."""
    frame, count = sys._getframe(), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


def notes(state: dict[str, Any]) -> list[str]:
    return [one["note"] for one in state["trace"]]


def nodes(controller: Callable[[dict[str, Any]], Command[str]], **agents: Any) -> dict[str, Any]:
    """A graph's nodes: what each does with its input alone."""

    async def recall(state: Any, *_: Any) -> dict[str, Any]:
        return {"trace": [row(f"asked {state['task']['question']}")], "run": "r"}

    async def turn(state: Any, *_: Any) -> Command[str]:
        return controller(state)

    async def answer(state: Any, *_: Any) -> dict[str, Any]:
        return {"trace": [row("answered")], "answer": "42"}

    return {"recall": recall, "controller": turn, "answer": answer, **agents}


class Waiting:
    """A policy that answers as the author does, but for its later requests, which hang."""

    def __init__(self, replies: int) -> None:
        self._inner, self._left = author(), replies
        self.name, self.capabilities, self.price = self._inner.name, self._inner.capabilities, None
        self.prompt_bound = self._inner.prompt_bound
        self.in_flight = 0
        self.hangs = asyncio.Event()

    async def complete(self, request: Request) -> Reply:
        self._left -= 1
        if self._left >= 0:
            return await self._inner.complete(request)
        self.in_flight += 1
        self.hangs.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.in_flight -= 1
        raise AssertionError

    async def aclose(self) -> None:
        return None


async def test_what_is_written_stands_in_the_order_it_was_sent_and_the_controller_comes_once() -> None:
    turns: list[list[str]] = []
    begun: list[str] = []

    def controller(state: dict[str, Any]) -> Command[str]:
        turns.append(notes(state))
        assert "task" not in state
        sends = [Send("slow", 1), Send("quick", 2)] if len(turns) == 1 else [Send("answer", {})]
        return Command(update={"trace": [row(f"turn {len(turns)}")]}, goto=sends)

    async def slow(given: Any, *_: Any) -> dict[str, Any]:
        begun.append("slow")
        await asyncio.sleep(0.01)
        return {"trace": [row(f"slow {given}")]}

    async def quick(given: Any, *_: Any) -> dict[str, Any]:
        assert begun == ["slow"]
        return {"trace": [row(f"quick {given}")]}

    state = await straight(nodes(controller, slow=slow, quick=quick), {"question": "q"}, CONFIG)
    assert turns == [["asked q"], ["asked q", "turn 1", "slow 1", "quick 2"]]
    assert notes(state) == ["asked q", "turn 1", "slow 1", "quick 2", "turn 2", "answered"]
    assert [one["seq"] for one in state["trace"]] == list(range(6))
    assert state["answer"] == "42"


async def test_a_trace_may_be_begun_anew_and_a_node_may_go_back_to_the_controller() -> None:
    kept: list[Any] = []

    def controller(state: dict[str, Any]) -> Command[str]:
        kept.append(state["trace"])
        if len(kept) == 1:
            return Command(update={"trace": Overwrite([row("anew")])}, goto=Send("back", {}))
        return Command(goto=Send("answer", {}))

    async def back(*_: Any) -> Command[str]:
        return Command(goto="controller")

    state = await straight(nodes(controller, back=back), {"question": "q"}, CONFIG)
    assert notes(state) == ["anew", "answered"]
    assert [one["note"] for one in kept[0]] == ["asked q"]  # the list that was given out is left as it was


async def test_the_first_failure_is_raised_as_it_is_and_ends_the_other_nodes() -> None:
    ended: list[str] = []

    async def hangs(*_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("hangs")

    async def fails(*_: Any) -> None:
        raise ValueError("a defect")

    work = nodes(lambda state: Command(goto=[Send("hangs", {}), Send("fails", {})]), hangs=hangs, fails=fails)
    with pytest.raises(ValueError, match=r"^a defect$"):
        await straight(work, {"question": "q"}, CONFIG)
    assert ended == ["hangs"]
    assert var_child_runnable_config.get() is None


async def test_many_supersteps_need_no_deeper_stack_and_leave_others_their_turn() -> None:
    depths: list[int] = []
    ticks = 0

    async def ticking() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    def controller(state: dict[str, Any]) -> Command[str]:
        depths.append(_depth())
        return Command(goto=Send("answer" if len(depths) == 200 else "back", {}))

    async def back(*_: Any) -> dict[str, Any]:
        return {}

    ticker = asyncio.create_task(ticking())
    await straight(nodes(controller, back=back), {"question": "q"}, CONFIG)
    ticker.cancel()
    assert max(depths) == min(depths)
    assert ticks >= 199


async def test_nodes_and_what_they_call_are_told_of_the_run() -> None:
    seen: dict[str, Any] = {}

    def controller(state: dict[str, Any]) -> Command[str]:
        seen.update(get_config())
        get_stream_writer()({"nobody": "listens"})
        return Command(goto=Send("answer", {}))

    config: Any = {**CONFIG, "tags": ["ours"]}
    await straight(nodes(controller), {"question": "q"}, config)
    assert seen["tags"] == ["ours"]
    assert seen["configurable"]["thread_id"] == "t"
    assert var_child_runnable_config.get() is None


@pytest.mark.parametrize("blueprint", ["cot", "mcts", "tot-bfs"])
async def test_a_cancelled_run_leaves_no_call_in_flight(blueprint: str) -> None:
    policy = Waiting(replies=3 if blueprint != "cot" else 0)
    run = asyncio.create_task(
        asolve("6 times 7?", blueprint=blueprint, policy=policy, evaluator=value_of, retries=QUICK, concurrency=4)
    )
    await asyncio.wait_for(policy.hangs.wait(), 10)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await asyncio.sleep(0)
    assert policy.in_flight == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def _solved() -> str:
    result = await asolve("What is 6 times 7?", blueprint="cot", policy=author(), budget=Budget(calls=8), run_id="r")
    return result.trace.dumps()


async def test_a_run_that_somebody_listens_to_goes_through_langgraph_and_leaves_the_same_trace() -> None:
    assert unobserved()
    alone = await _solved()
    told, begun = await heard(_solved)
    assert told == alone
    assert begun["controller"] == 2
    assert begun["reflectree:cot"] == begun["recall"] == begun["generator"] == begun["answer"] == 1
    with collect_runs() as tracer:
        assert not unobserved()
        assert await _solved() == alone
    assert [run.name for run in tracer.traced_runs] == ["reflectree:cot"]


async def test_a_run_in_a_node_of_another_graph_is_a_part_of_it() -> None:
    class State(TypedDict):
        found: str

    async def node(state: State) -> State:
        assert not unobserved()
        return {"found": str(await _solved())}

    graph: Any = StateGraph(State)
    graph.add_node("node", node).add_edge(START, "node").add_edge("node", END)
    config = {"configurable": {"thread_id": "host"}}
    made = await graph.compile(checkpointer=InMemorySaver()).ainvoke({"found": ""}, config)
    assert made["found"] == await _solved()


async def test_runs_side_by_side_do_not_hear_each_other() -> None:
    alone, (told, _) = await asyncio.gather(asyncio.gather(*(_solved() for _ in range(20))), heard(_solved))
    assert set(alone) == {told}


@pytest.fixture
def _without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Watch:
    def __call__(self, event: Any, structure: Any) -> None:
        """See nothing."""


@pytest.mark.usefixtures("_without_collector")
async def test_what_a_run_held_is_free_when_it_has_ended() -> None:
    watch = _Watch()
    held = weakref.ref(watch)
    await asolve("What is 6 times 7?", blueprint="cot", policy=author(), on_event=watch)
    del watch
    assert held() is None
