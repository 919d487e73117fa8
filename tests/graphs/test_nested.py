"""Nested runs: a step that is a whole run, on one bill, resumable, and never gold's way in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import Oracle, digest, search

from reflectree.graphs.blueprints import complete
from reflectree.graphs.result import Result
from reflectree.models.base import Request
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Failed, Grown
from reflectree.rlm_ops.structure import fold
from reflectree.rlm_ops.trace import Trace


def solution(request: Request, number: int) -> str:
    return f"6 * 7\nAnswer: {40 + digest(request.seed) % 4}"


def forest(trees: int = 3, inner: Any = None, **nested: Any) -> Blueprint:
    """A forest of small samplings."""
    strategy = {"name": "self-consistency", "n": 4}
    plan = inner or {
        "name": "inner",
        "scheme": {"granularity": "solution", "strategy": strategy},
        "selection": "majority",
    }
    return Blueprint.parse(
        {
            "name": "outer",
            "scheme": {
                "structure": "forest",
                "granularity": "solution",
                "strategy": {"name": "forest", "trees": trees, "consensus": None, "judge_ties": False},
            },
            "operators": {"generate": {"variants": {"tree": {"nested": {"blueprint": plan, **nested}}}}},
            "selection": "majority",
        }
    )


def nested_traces(result: Result) -> list[Trace]:
    return [
        Trace.from_rows(event.trace, run_id=event.run)
        for event in result.trace
        if isinstance(event, Grown) and event.run
    ]


async def test_bill_and_trace_of_nested_runs_roll_up() -> None:
    policy = Oracle(solution)
    result = await search(policy, blueprint=forest(), concurrency=3)
    inner = nested_traces(result)
    assert len(inner) == 3
    assert result.usage.calls == len(policy.requests) == 12
    assert result.usage == sum((trace.usage for trace in inner[1:]), inner[0].usage)
    for trace in inner:
        assert trace.verify() == []
        assert trace.answered is not None
        assert trace.answered.answer in ("40", "41", "42", "43")
    assert fold(result.trace).runs == {node: trace.run_id for node, trace in enumerate(inner, 1)}
    assert result.trace.verify() == []


async def test_runs_of_one_node_differ_by_their_seeds_and_their_hints() -> None:
    blueprint = forest(start="hint").with_overrides(
        {"operators.generate.variants.tree.phrasings": ["Think of rows.", "Think of columns."]}
    )
    policy = Oracle(solution)
    await search(policy, blueprint=blueprint, concurrency=1)
    assert len(set(policy.asked)) == 12
    told = [request.messages[-1].content for request in policy.requests]
    assert ["rows" in words for words in told] == [True] * 4 + [False] * 4 + [True] * 4


async def test_the_outer_budget_holds_for_all_runs_together() -> None:
    policy = Oracle(solution)
    result = await search(policy, blueprint=forest(trees=16), concurrency=8, budget=Budget(calls=10))
    assert len(policy.requests) == result.usage.calls == 10
    assert result.stop_reason == "budget:calls"


async def test_a_nested_run_keeps_its_own_cap() -> None:
    policy = Oracle(solution)
    result = await search(policy, blueprint=forest(trees=2, calls=3), concurrency=1)
    assert len(policy.requests) == result.usage.calls == 6
    assert {trace.answered.stop_reason for trace in nested_traces(result) if trace.answered} == {"budget:calls"}


async def test_a_nested_run_without_an_answer_is_a_failed_call_on_the_bill() -> None:
    policy = Oracle(lambda request, number: f"no idea {digest(request.seed)}")
    result = await search(policy, blueprint=forest(trees=2))
    failed = [event for event in result.trace if isinstance(event, Failed)]
    assert len(failed) == 2
    assert "found no answer" in failed[0].reason
    assert result.usage.calls == len(policy.requests) == 8


async def test_gold_does_not_reach_a_nested_run() -> None:
    result = await search(Oracle(solution), blueprint=forest(), verifier=verifiers.exact("42"))
    for trace in nested_traces(result):
        assert trace.began is not None
        assert trace.answered is not None
        assert (trace.began.verifier, trace.answered.correct) == ("", None)


async def test_a_killed_run_finds_what_its_nested_runs_had_settled(tmp_path: Path) -> None:
    """The third tree is interrupted after two of its four samples: only the one in flight may be paid again."""

    reached = asyncio.Event()

    async def gate(number: int) -> None:
        if number == 10:
            reached.set()
            await asyncio.Event().wait()

    first = Oracle(solution, gate=gate)
    options: dict[str, Any] = {"blueprint": forest(), "concurrency": 1, "checkpoint": tmp_path / "runs.sqlite"}
    run = asyncio.create_task(search(first, **options))
    await reached.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    second = Oracle(solution)
    result = await search(second, **options)
    assert result.usage.calls == 12
    assert len(second.requests) <= 12 - 10 + 1
    paid_before = {request.seed for request in first.requests[:10]}
    assert len(paid_before & set(second.asked)) <= 1
    assert [trace.verify() for trace in nested_traces(result)] == [[], [], []]


def nesting(*names: str) -> dict[str, Any]:
    """Blueprints nested in one another, outermost first."""
    first, *rest = names
    data: dict[str, Any] = {"name": first, "scheme": {"granularity": "solution", "strategy": {"name": "cot"}}}
    if rest:
        data["operators"] = {"generate": {"nested": {"blueprint": nesting(*rest), "depth": 2}}}
    return data


def test_nesting_too_deep_or_in_itself_is_refused_before_anything_is_paid() -> None:
    assert complete(Blueprint.parse(nesting("a", "b", "c")))
    with pytest.raises(BadInput, match="deeper than"):
        complete(Blueprint.parse(nesting("a", "b", "c", "d")))
    with pytest.raises(BadInput, match=r"nests itself: a -> b -> a"):
        complete(Blueprint.parse(nesting("a", "b", "a")))


async def test_events_of_nested_runs_are_shown_with_their_own_structures() -> None:
    seen: dict[int, list[int]] = {}
    outer: list[int] = []
    result = await search(
        Oracle(solution),
        blueprint=forest(trees=2),
        on_event=lambda event, live: outer.append(id(live)),
        on_nested=lambda event, live: seen.setdefault(id(live), []).append(event.seq),
    )
    assert len(seen) == 2
    assert not set(seen) & set(outer)
    assert sorted(map(len, seen.values())) == sorted(map(len, nested_traces(result)))
