from __future__ import annotations

import json

import pytest

from reflectree.graphs.result import Result
from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.events import Answered, Began, Grown
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage

TRACE = Trace(
    [
        Began(question="Q?", oracle=True, seq=0),
        Grown(nodes=(0,), text="a", node=1, usage=Usage(1, 0, 10, 5, 0.25), seq=1),
        Answered(node=1, answer="42", score=0.5, stop_reason="complete", correct=False, in_structure=True, seq=2),
    ],
    run_id="r1",
)


def test_everything_is_read_off_the_trace() -> None:
    result = Result.of(TRACE, 1.23456)
    assert (result.answer, result.score, result.stop_reason, result.nodes) == ("42", 0.5, "complete", 1)
    assert (result.in_structure, result.selected_correct, result.oracle) == (True, False, True)
    assert (result.usage, result.run_id, result.trace) == (Usage(1, 0, 10, 5, 0.25), "r1", TRACE)


def test_the_object_the_command_line_prints() -> None:
    data = Result.of(TRACE, 1.23456).to_json("t.jsonl")
    assert (
        json.loads(json.dumps(data))
        == data
        == {
            "answer": "42",
            "score": 0.5,
            "stop_reason": "complete",
            "usage": {"calls": 1, "failed_calls": 0, "prompt_tokens": 10, "completion_tokens": 5, "usd": 0.25},
            "nodes": 1,
            "in_structure": True,
            "selected_correct": False,
            "oracle": True,
            "wall_s": 1.235,
            "run_id": "r1",
            "trace": "t.jsonl",
        }
    )


@pytest.mark.parametrize("trace", [Trace(), TRACE[:2]])
def test_an_unfinished_trace_has_no_result(trace: Trace) -> None:
    with pytest.raises(TraceError, match="not finished: resume it"):
        Result.of(trace, 0.0)
