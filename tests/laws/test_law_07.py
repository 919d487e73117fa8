"""Law 7: killed at any instant and resumed: no settled call is paid again, at most the calls in flight are."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from tests.support.engine import Oracle, faults, search, seeds_of, tree, value_of
from tests.support.virtual_time import others, run_virtually, turns

from reflectree.agents.evaluators import judge
from reflectree.graphs.checkpoint import open_saver
from reflectree.graphs.run import asaved_trace
from reflectree.models.base import Request
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput, RunLocked
from reflectree.rlm_ops.trace import Trace

ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """The process ends here."""


async def saved(checkpoint: Any) -> Trace:
    try:
        return await asaved_trace("run", checkpoint)
    except BadInput:
        return Trace()


async def cancelled_at(request: int, checkpoint: Any, concurrency: int, **options: Any) -> Oracle:
    """A run that is cancelled the moment it makes its `request`-th request."""

    async def gate(number: int) -> None:
        if number == request:
            work.cancel()

    latencies = [0.3, 0.0, 0.7, 0.1]
    policy = Oracle(options.pop("say", None), latency=lambda number: latencies[number % 4], gate=gate)
    work = asyncio.ensure_future(search(policy, checkpoint=checkpoint, concurrency=concurrency, **options))
    with contextlib.suppress(asyncio.CancelledError):
        await work
    await turns()
    assert others() == []
    return policy


async def resumed(checkpoint: Any, concurrency: int, first: Oracle, attempts: int = 1, **options: Any) -> None:
    """Go on after an interruption, and hold the law.

    Calls that were in flight, and those whose replies waited for the superstep to end, are made again: at most twice
    the slots, with `attempts` requests each.
    """
    before = await saved(checkpoint)
    second = Oracle(options.pop("say", None))
    result = await search(second, checkpoint=checkpoint, concurrency=concurrency, **options)
    assert not seeds_of(before) & set(second.asked), "a settled call was paid again"
    assert result.trace.rows[: len(before)] == before.rows
    assert result.trace.verify() == []
    assert len(first.requests) + len(second.requests) - result.usage.calls <= 2 * concurrency * attempts
    third = Oracle()
    again = await search(third, checkpoint=checkpoint, **options)
    assert third.requests == []
    assert again.trace.rows == result.trace.rows


BLUEPRINTS: list[Blueprint] = [
    tree(),
    Blueprint.parse({"name": "sc", "scheme": {"granularity": "solution", "strategy": {"name": "self-consistency"}}}),
]


@settings(max_examples=25)
@given(st.integers(0, 24), st.integers(1, 6), st.sampled_from(BLUEPRINTS), st.booleans())
def test_cancelled_at_any_request(request: int, concurrency: int, blueprint: Blueprint, on_disk: bool) -> None:
    async def story(checkpoint: Any) -> None:
        first = await cancelled_at(request, checkpoint, concurrency, blueprint=blueprint)
        await resumed(checkpoint, concurrency, first, blueprint=blueprint)

    with tempfile.TemporaryDirectory() as folder:
        run_virtually(story(Path(folder) / "runs.sqlite" if on_disk else InMemorySaver()))


@settings(max_examples=8)
@given(st.integers(0, 30), st.integers(1, 6))
def test_cancelled_while_a_judge_is_asked(request: int, concurrency: int) -> None:
    def say(asked: Request, number: int) -> str:
        return '{"reason": "so", "score": 5}' if asked.json_schema else f"step {asked.seed}"

    async def story() -> None:
        saver = InMemorySaver()
        options: dict[str, Any] = {"evaluator": judge(), "blueprint": tree(depth=3), "say": say}
        first = await cancelled_at(request, saver, concurrency, **options)
        await resumed(saver, concurrency, first, **options)

    run_virtually(story())


@settings(max_examples=25)
@given(st.integers(1, 60), st.sampled_from(["aput", "aput_writes"]), st.integers(1, 6), st.booleans())
def test_killed_at_any_write_of_the_checkpoint(count: int, method: str, concurrency: int, after: bool) -> None:
    """Before or after the write reached the disk."""

    async def story(path: Path) -> None:
        with open_saver(path) as saver:
            real, made = getattr(saver, method), 0

            @functools.wraps(real)  # langgraph looks at the signature
            async def write(*arguments: Any, **named: Any) -> Any:
                nonlocal made
                made += 1
                if made == count and not after:
                    raise Killed
                outcome = await real(*arguments, **named)
                if made == count:
                    raise Killed
                return outcome

            setattr(saver, method, write)
            first = Oracle(latency=lambda number: number % 3)
            with contextlib.suppress(Killed):
                await search(first, checkpoint=saver, concurrency=concurrency)
        await resumed(path, concurrency, first)

    with tempfile.TemporaryDirectory() as folder:
        run_virtually(story(Path(folder) / "runs.sqlite"))


def test_interrupted_again_and_again() -> None:
    async def story() -> None:
        saver = InMemorySaver()
        paid = 0
        for _ in range(30):
            before = await saved(saver)
            policy = await cancelled_at(3, saver, 2)
            paid += len(policy.requests)
            assert not seeds_of(before) & set(policy.asked)
            if before.answered is not None:
                assert policy.requests == []
                break
        final = await saved(saver)
        assert final.answered is not None
        assert final.verify() == []
        assert paid - final.usage.calls <= 2 * 30

    run_virtually(story())


def test_the_budget_goes_on_where_it_stood() -> None:
    from reflectree.rlm_ops.budget import Budget

    async def story() -> None:
        saver = InMemorySaver()
        await cancelled_at(7, saver, 1, budget=Budget(calls=10))
        second = Oracle()
        result = await search(second, checkpoint=saver, concurrency=1, budget=Budget(calls=10))
        assert result.stop_reason == "budget:calls"
        assert result.usage.calls == 10
        assert len(second.requests) == 3

    run_virtually(story())


def test_faults_before_the_interruption_stay_on_the_bill() -> None:
    async def story() -> None:
        saver = InMemorySaver()
        say = faults(["empty", "ok", "transient", "ok"])
        first = await cancelled_at(9, saver, 1, say=say)
        await resumed(saver, 1, first, attempts=4, say=say)

    run_virtually(story())


LOGGED = """
import asyncio, os, sys
from tests.support.engine import Oracle, search, tree

log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


class Logged(Oracle):
    async def complete(self, request):
        os.write(log, f"{request.seed}\\n".encode())
        return await super().complete(request)


policy = Logged(latency=lambda number: float(sys.argv[3]))
result = asyncio.run(search(policy, blueprint=tree(3, 5, 8), checkpoint=sys.argv[1], concurrency=6))
print(result.stop_reason, result.usage.calls)
"""


def spawn(checkpoint: Path, log: Path, latency: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    command = [sys.executable, "-c", LOGGED, str(checkpoint), str(log), str(latency)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def logged(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def wait_for(log: Path, lines: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while len(logged(log)) < lines and process.poll() is None:
        assert time.monotonic() < deadline, "the process makes no calls"
        time.sleep(0.001)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_nine_ten_times(tmp_path: Path) -> None:
    checkpoint, log = tmp_path / "runs.sqlite", tmp_path / "calls.log"
    dice = random.Random(7)
    for _ in range(10):
        before = asyncio.run(saved(checkpoint))
        at = len(logged(log))
        process = spawn(checkpoint, log, 0.01)
        wait_for(log, at + dice.randint(1, 30), process)
        time.sleep(dice.random() * 0.01)
        process.kill()
        process.communicate()
        assert not seeds_of(before) & set(logged(log)[at:]), "a settled call was paid again"
    before = asyncio.run(saved(checkpoint))
    at = len(logged(log))
    assert len(before) > 20
    process = spawn(checkpoint, log, 0.0)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert not seeds_of(before) & set(logged(log)[at:])
    final = asyncio.run(saved(checkpoint))
    assert final.verify() == []
    assert final.rows[: len(before)] == before.rows
    assert len(logged(log)) - final.usage.calls <= 10 * 6
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".lock") == []


@pytest.mark.slow
def test_a_second_process_is_refused_until_the_first_one_dies(tmp_path: Path) -> None:
    checkpoint, log = tmp_path / "runs.sqlite", tmp_path / "calls.log"
    process = spawn(checkpoint, log, 1000.0)
    try:
        wait_for(log, 1, process)
        policy = Oracle()
        with pytest.raises(RunLocked, match="another process"):
            asyncio.run(search(policy, blueprint=tree(3, 5, 8), checkpoint=checkpoint))
        assert policy.requests == []
        other = asyncio.run(search(policy, checkpoint=checkpoint, run_id="another run of the same file"))
        assert other.stop_reason == "complete"
    finally:
        process.kill()
        process.communicate()
    result = asyncio.run(search(Oracle(), blueprint=tree(3, 5, 8), checkpoint=checkpoint, evaluator=value_of))
    assert result.stop_reason == "complete"
