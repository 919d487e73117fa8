"""Replies in OpenAI's shapes: who wrote which tokens, and what is left out rather than guessed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from langchain_core.messages import HumanMessage

from reflectree.apps.endpoint.replies import headers_of, report, run_of, usage
from reflectree.apps.endpoint.running import RunState
from reflectree.graphs.adapters.replying import Replied, areply
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import ModelRejected


def says(request: Request, index: int) -> str:
    judging = '"score"' in request.messages[-1].content
    return '{"reason": "so", "score": 7}' if judging else f"one two three {index}\nAnswer: 24"


@pytest.fixture
async def replied() -> Replied:
    return await areply([HumanMessage("Make 24.")], blueprint="best-of-n", policy=ScriptedPolicy(says), run_id="r")


async def test_reasoning_is_what_other_calls_wrote(replied: Replied) -> None:
    told = usage(replied.result)
    reasoning = told["completion_tokens_details"]["reasoning_tokens"]
    assert 0 < reasoning < told["completion_tokens"]
    answering = told["completion_tokens"] - reasoning
    written = [row["usage"][3] for row in replied.result.trace.rows if "text" in row and "usage" in row]
    assert answering in written


async def test_of_one_call_nothing_is_reasoning() -> None:
    only = await areply([HumanMessage("Make 24.")], blueprint="cot", policy=ScriptedPolicy(says))
    assert usage(only.result)["completion_tokens_details"] == {"reasoning_tokens": 0}


async def test_what_the_trace_does_not_tell_is_left_out(replied: Replied) -> None:
    rows = [{name: value for name, value in row.items() if name != "usage"} for row in replied.result.trace.rows]
    unknown = replace(replied.result, trace=type(replied.result.trace).from_rows(rows, run_id="r"))
    assert "completion_tokens_details" not in usage(unknown)


async def test_an_unknown_price_is_no_header(replied: Replied) -> None:
    free = headers_of(replied.result, "r")
    assert free["X-Reflectree-Usd"] == "0"
    bill = replace(replied.result.usage, usd=None)
    unknown = replace(replied.result, usage=bill, score=None, stop_reason="model:Größe\r\nX-Evil: 1")
    headers = headers_of(unknown, "r")
    assert "X-Reflectree-Usd" not in headers
    assert "X-Reflectree-Score" not in headers
    assert headers["X-Reflectree-Stop-Reason"] == "model:Gr??e??X-Evil: 1"
    assert report(unknown)["usd"] is None


async def test_runs_are_told_in_every_state(replied: Replied) -> None:
    about = ("r", "cot/scripted", 1)
    assert run_of(RunState(*about, "running")) == {
        "id": "r",
        "object": "reflectree.run",
        "created": 1,
        "model": "cot/scripted",
        "status": "running",
    }
    finished = run_of(RunState(*about, "finished", replied))
    assert finished["message"]["content"] == "24"
    assert finished["finish_reason"] == "stop"
    failed = run_of(RunState(*about, "failed", error=ModelRejected("the key is wrong")))
    assert failed["error"]["message"] == "the key is wrong"
