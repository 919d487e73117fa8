"""A run under way: its lines, its reply, and that nothing is left of it once it was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from reflectree.apps.endpoint import running as module
from reflectree.apps.endpoint.running import Running, RunStopped
from reflectree.graphs.adapters.replying import Replied, areply
from reflectree.graphs.live import OnEvent
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput, ModelRejected


def begin(script: Any = "6 * 4 = 24\nAnswer: 24", latency: float = 0.0, **options: Any) -> Running:
    policy = ScriptedPolicy(script, latency=latency)

    async def work(on_event: OnEvent) -> Replied:
        return await areply([HumanMessage("Make 24.")], blueprint="cot", policy=policy, on_event=on_event)

    return Running("r", work, **options)


async def test_lines_come_and_then_the_reply() -> None:
    running = begin()
    lines: list[str] = []
    while not running.done:
        lines += await running.lines(5.0)
    lines += await running.lines(0.0)
    assert lines[0].startswith("begins: cot")
    assert any("6 * 4 = 24" in line for line in lines)
    assert (await running.reply()).said.text == "24"
    assert await running.lines(0.0) == []


async def test_a_line_of_an_error_tells_no_address_and_one_of_a_thought_all_of_it() -> None:
    def script(request: Request, index: int) -> Any:
        first = len(policy.requests) == 1
        return "See http://example.org/a" if first else ModelRejected("http://gpu-7:80/v1 says no", 400)

    policy = ScriptedPolicy(script)

    async def work(on_event: OnEvent) -> Replied:
        message = [HumanMessage("Make 24.")]
        return await areply(message, blueprint="self-consistency", policy=policy, on_event=on_event, concurrency=1)

    running = Running("r", work)
    await running.reply()
    told = "\n".join(await running.lines(0.0))
    assert "tried 1 (an answer): See http://example.org/a" in told
    assert "failed to generate at 0: the model's server says no" in told
    assert "gpu-7" not in told


async def test_silence_gives_no_lines_in_time() -> None:
    running = begin(latency=30)
    await running.stirred(5.0)
    assert running.begun.is_set()
    assert len(await running.lines(5.0)) == 1
    assert await running.lines(0.01) == []
    assert not running.done
    await running.cancel()


async def test_cancelling_leaves_nothing() -> None:
    ended: list[bool] = []
    before = asyncio.all_tasks()
    running = begin(latency=30, on_end=lambda: ended.append(True))
    await running.stirred(5.0)
    await running.cancel()
    assert running.done
    assert ended == [True]
    assert asyncio.all_tasks() == before
    with pytest.raises(RunStopped):
        await running.reply()
    await running.cancel()
    assert ended == [True]


async def test_whoever_waits_may_go_without_ending_the_run() -> None:
    running = begin(latency=0.05)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(running.reply(), 0.01)
    assert not running.done
    assert (await running.reply()).said.text == "24"


@pytest.mark.parametrize("error", [ModelRejected("no"), BadInput("no")])
async def test_what_goes_wrong_comes_out_of_the_reply(error: Exception) -> None:
    ended: list[bool] = []
    running = begin(lambda request, index: error, on_end=lambda: ended.append(True))
    with pytest.raises(type(error)):
        await running.reply()
    assert ended == [True]


async def test_an_error_that_nobody_waits_for_is_no_warning() -> None:
    running = begin(lambda request, index: ModelRejected("no"))
    await running.stirred(5.0)
    await running.cancel()
    del running


async def test_a_slow_reader_gets_the_newest_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 2)
    running = begin(line_of=_numbered())
    await running.reply()
    lines = await running.lines(0.0)
    assert len(lines) == 2
    assert lines == sorted(lines)
    assert lines[0] != "0"


def _numbered() -> Callable[[Any, Any], str]:
    seen: list[Any] = []

    def line(event: Any, structure: Any) -> str:
        seen.append(event)
        return str(len(seen) - 1)

    return line
