"""Golden traces: one whole run of every built-in blueprint on a scripted model, compared event by event.

A change that is meant is recorded by `python tests/graphs/test_golden_traces.py [NAME ...]`; read the difference.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests.support.author import author
from tests.support.bad_models import ACTING
from tests.support.engine import QUICK, require_isolation, value_of
from tests.support.heard import heard
from tests.support.toy_world import toy

from reflectree.graphs import blueprints
from reflectree.graphs.run import asolve
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.trace import Trace

GOLDEN = Path(__file__).parent / "golden"
OWN_EVALUATOR = frozenset({"llama-berry", "marco-o1"})
"""Blueprints whose evaluator is part of what they are."""


async def traced(name: str) -> Trace:
    """The run: one call at a time, so that nothing depends on what arrives first."""
    result = await asolve(
        "What is 6 times 7?",
        blueprint=name,
        policy=author(),
        evaluator=None if name in OWN_EVALUATOR else value_of,
        models={"critic": author()},
        tools=["calculator"],
        environment=toy if name in ACTING else None,
        budget=Budget(calls=48),
        concurrency=1,
        seed=1,
        retries=QUICK,
        run_id=name,
    )
    return result.trace


@pytest.mark.parametrize("way", ["straight", "langgraph"])
@pytest.mark.parametrize("name", blueprints.names())
async def test_a_run_is_the_recorded_one_event_by_event(name: str, way: str) -> None:
    if name == "rstar-math":
        require_isolation()
    if way == "straight":
        trace = await traced(name)
    else:
        trace, begun = await heard(lambda: traced(name))
        assert begun["controller"] > 1
    assert trace.verify() == []
    recorded = Trace.load(GOLDEN / f"{name}.jsonl")
    for position, (row, golden) in enumerate(zip(trace.rows, recorded.rows, strict=False)):
        assert row == golden, f"event {position}; meant? then run: python {Path(__file__).name} {name}"
    assert trace.dumps() == (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8")


def test_no_recording_is_left_without_its_blueprint() -> None:
    assert sorted(file.stem for file in GOLDEN.glob("*.jsonl")) == blueprints.names()


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for wanted in sys.argv[1:] or blueprints.names():
        asyncio.run(traced(wanted)).save(GOLDEN / f"{wanted}.jsonl")
