"""Law 6 for value models: whatever one does, its calls fail or are scored rightly, and the run goes on and ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.models.values.rig import QUICK, client
from tests.support.bad_models import Speaker, good
from tests.support.engine import Oracle, search, tree
from tests.support.value_loopback import ValueLoopback, value_of

from reflectree.graphs.result import Result
from reflectree.models.resolve_values import value_model
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.structure import fold

FAULTS = ["429", "503", "malformed", "shape", "short", "reset", "nan", "range", "many", "null", "broken", "401"]
QUESTION = "What is 6 times 7?"


def searched(server: ValueLoopback, policy: Any = None, name: str = "m", **options: Any) -> Result:
    """A small run with the server's model."""

    async def work() -> Result:
        async with server:
            model = client(server, name)
            try:
                run = search(policy or Oracle(), evaluator=model, **options)
                return await asyncio.wait_for(run, 20)
            finally:
                await model.aclose()

    return asyncio.run(work())


def check(result: Result) -> None:
    """Every value in the trace is the one that the model gives to that very path."""
    assert result.trace.verify() == []
    structure = fold(result.trace)
    assert structure.calls_in_flight == 0
    for event in result.trace:
        if isinstance(event, Evaluated):
            steps = [step.text for step in structure.path(event.node).steps]
            assert event.value == min(value_of(QUESTION, steps), 0.99)
            assert event.source == "value-model"


def failures(result: Result) -> list[Failed]:
    return [event for event in result.trace if isinstance(event, Failed)]


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_survived(fault: str) -> None:
    result = searched(ValueLoopback([fault]))
    check(result)
    assert result.stop_reason == "complete"
    assert {event.of for event in failures(result)} <= {"evaluate"}
    if fault in ("nan", "range", "many", "null", "401"):  # asked again it would say the same: the batch has failed
        assert failures(result)
    else:
        assert failures(result) == []
        assert result.nodes > 3


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_always_fails_scores_nothing_and_hangs_nothing(fault: str) -> None:
    result = searched(ValueLoopback([fault], always=True), Oracle(lambda request, number: f"step {number}"))
    check(result)
    assert result.stop_reason == "complete"
    assert result.answer is None
    assert not [event for event in result.trace if isinstance(event, Evaluated)]
    failed = failures(result)
    assert len(failed) == result.nodes == 3
    assert all(event.of == "evaluate" and event.reason and event.usage.calls == 0 for event in failed)


def test_a_mixture_of_faults_never_gives_a_wrong_score() -> None:
    for concurrency in (1, 4, 9):
        server = ValueLoopback([*FAULTS, "ok", "ok"], always=True, latency=0.001)
        result = searched(server, concurrency=concurrency, blueprint=tree(width=3, depth=5))
        check(result)
        assert result.stop_reason == "complete"


def test_a_model_that_is_not_there_or_silent_does_not_end_the_run() -> None:
    async def work(model: Any) -> Result:
        try:
            return await asyncio.wait_for(search(Oracle(), evaluator=model), 20)
        finally:
            await model.aclose()

    result = asyncio.run(work(value_model("http://127.0.0.1:9", retries=QUICK)))
    assert result.stop_reason == "complete"
    assert "cannot be reached" in failures(result)[0].reason
    silent = ValueLoopback(["timeout"], always=True)
    with silent.in_thread():
        result = asyncio.run(work(value_model(silent.base_url, timeout=0.05, retries=QUICK)))
        assert "no whole answer" in failures(result)[0].reason
        capped = asyncio.run(
            asyncio.wait_for(search(Oracle(), evaluator=value_model(silent.base_url), budget=Budget(seconds=0.5)), 20)
        )
        assert capped.stop_reason == "budget:seconds"


def test_siblings_are_one_request_and_an_item_that_is_refused_fails_alone() -> None:
    said = iter(["bad one", "good one", "good two"])
    policy = Oracle(lambda request, number: next(said, "Answer: 7"))
    server = ValueLoopback(refuse=lambda steps: "bad one" in steps)
    result = searched(server, policy, blueprint=tree(root_width=3, depth=2))
    check(result)
    assert result.answer == "7"
    (failed,) = failures(result)
    assert (failed.of, "a step is empty" in failed.reason) == ("evaluate", True)
    assert not [event for event in result.trace if isinstance(event, Grown) and event.nodes == failed.nodes]
    assert max(server.sizes) > 1


@pytest.mark.parametrize("name", ["mcts", "llama-berry", "tot-bfs", "best-of-n", "beam", "rest-mcts"])
def test_named_systems_run_on_a_value_model(name: str) -> None:
    for faults in ([], FAULTS):
        result = searched(
            ValueLoopback(faults, always=bool(faults)), Speaker(good), blueprint=name, budget=Budget(calls=16)
        )
        assert result.trace.verify() == []
        assert result.usage.calls <= 16
