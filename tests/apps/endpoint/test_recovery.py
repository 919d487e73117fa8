from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.engine import Oracle, search
from tests.support.postgres import postgres

from reflectree.apps.endpoint.recovery import Record, Recovery, open_recovery
from reflectree.graphs.checkpoint import held_saver
from reflectree.graphs.run import asaved_trace
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.errors import BadInput

ROOT = Path(__file__).resolve().parents[3]
RECORD = Record("ann", "r1", "word", "digest", "cot/x", "running", 1000.0, {"body": {"a": "\x00\ud800"}, "budget": {}})


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
async def recovery(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Recovery]:
    where = tmp_path / "runs.sqlite" if request.param == "sqlite" else request.getfixturevalue("database")
    async with open_recovery(where) as opened:
        yield opened
        await opened.expire(1e12)
        for record in await opened.unfinished():
            await opened.mark(record.owner, record.run, "finished")
        await opened.expire(1e12)


async def test_a_record_is_found_by_its_name_and_by_the_clients_word(recovery: Recovery) -> None:
    assert await recovery.add(RECORD) is None
    assert await recovery.find("ann", "r1") == RECORD
    assert await recovery.find("ann", None, "word") == RECORD
    assert await recovery.find("bob", "r1", "word") is None
    assert await recovery.find("ann", None, None) is None
    assert await recovery.find("ann", "r2", "other") is None


async def test_of_two_that_begin_the_same_one_is_kept(recovery: Recovery) -> None:
    assert await recovery.add(RECORD) is None
    assert await recovery.add(replace(RECORD, digest="other")) == RECORD
    assert await recovery.add(replace(RECORD, run="r2")) == RECORD
    assert await recovery.add(replace(RECORD, run="r2", idempotency=None)) is None
    assert await recovery.add(replace(RECORD, run="r3", idempotency=None)) is None
    assert await recovery.add(replace(RECORD, owner="bob")) is None


async def test_what_came_of_it_is_kept_and_only_what_is_under_way_is_gone_on_with(recovery: Recovery) -> None:
    for number, state in enumerate(("finished", "cancelled", "failed", "running")):
        record = replace(RECORD, run=f"r{number}", idempotency=None, created=1000.0 - number)
        await recovery.add(record)
        error = (502, "model_failed", "no key") if state == "failed" else None
        await recovery.mark("ann", record.run, state, error)  # type: ignore[arg-type]
    assert [record.run for record in await recovery.unfinished()] == ["r3"]
    failed = await recovery.find("ann", "r2")
    assert failed is not None
    assert failed.error == (502, "model_failed", "no key")


async def test_what_is_spent_adds_up_by_day(recovery: Recovery) -> None:
    day = 7_000_000_000  # of no other test
    assert await recovery.spend("ann", day, 0.5, 10) == (0.5, 10)
    assert await recovery.spend("ann", day, 0.25, 5) == (0.75, 15)
    assert await recovery.spend("bob", day, 0.0, 1) == (0.0, 1)
    assert await recovery.spend("ann", day + 1, 0.0, 0) == (0.0, 0)


async def test_old_runs_are_forgotten_with_their_checkpoints(recovery: Recovery) -> None:
    for run, created in (("old", 10.0), ("new", 1000.0), ("under-way", 10.0)):
        await recovery.add(replace(RECORD, run=run, idempotency=None, created=created))
        async with recovery.held(f"ann/{run}") as saver:
            await search(Oracle(), run_id=f"ann/{run}", checkpoint=saver)
        if run != "under-way":
            await recovery.mark("ann", run, "finished")
    assert await recovery.expire(500.0) == 1
    assert await recovery.find("ann", "old") is None
    async with recovery.held("x") as saver:
        with pytest.raises(BadInput, match="no run"):
            await asaved_trace("ann/old", saver)
        for run in ("new", "under-way"):
            assert (await asaved_trace(f"ann/{run}", saver)).answered is not None


async def test_a_file_is_one_servers(tmp_path: Path) -> None:
    async with open_recovery(tmp_path / "runs.sqlite"):
        with pytest.raises(BadInput, match="another server uses the checkpoint"):
            async with open_recovery(tmp_path / "runs.sqlite"):
                pass
    async with open_recovery(tmp_path / "runs.sqlite"):
        pass


BODY = {"model": "mcts", "messages": [{"role": "user", "content": "What?"}], "seed": 3}
CALLS, SLOTS = 40, 4
SERVE = [sys.executable, "-m", "reflectree", "serve"]


def step(body: dict[str, Any], number: int) -> str:
    """What the model writes: now and then an answer; it follows from the call alone, and never ends the search."""
    if "Reply with JSON" in body["messages"][-1]["content"]:
        return '{"reason": "so so", "score": 5}'
    return f"Thought {body['seed']}: go on." if body["seed"] % 3 else f"Answer: {body['seed'] % 7}"


@contextlib.contextmanager
def server(model: str, checkpoint: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """`reflectree serve` in a process of its own."""
    command = [*SERVE, "--port", "0", "-b", "mcts", "-m", f"m={model}#loopback"]
    options = ["--checkpoint", checkpoint, "--max-calls", str(CALLS), "-j", str(SLOTS), "--drain-seconds", "0.2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        address = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert address is not None, "it did not start: see its message above"
        try:
            with httpx.Client(base_url=address[0], timeout=60, trust_env=False) as client:
                yield process, client
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_killed_in_the_middle_the_client_asks_again_and_nothing_is_paid_twice(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the model's process
    checkpoint = str(tmp_path / "runs.sqlite") if kind == "sqlite" else request.getfixturevalue("database")
    headers = {"Idempotency-Key": "once", "X-Reflectree-Run": "mine"}
    with Remote(reply_from="tests.apps.endpoint.test_recovery:step", latency=0.05) as model:
        with server(model.base_url, checkpoint) as (process, client):
            asking = asyncio.create_task(asyncio.to_thread(_lost, client, headers))
            await _until(lambda: model.counters()["answered"] >= 12)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert await asking == "lost"
        before = model.counters()["requests"]
        async with held_saver(checkpoint, "reader") as saver:
            assert saver is not None
            settled = (await asaved_trace("anyone/mine", saver)).usage.calls
        assert settled > 4
        with server(model.base_url, checkpoint) as (process, client):
            reply = client.post("/v1/chat/completions", json=BODY, headers=headers)
            assert reply.status_code == 200, reply.text
            whole = reply.json()
            calls = whole["reflectree"]["calls"]
            requests = model.counters()["requests"]
            assert calls == CALLS
            assert requests - before == CALLS - settled
            assert requests - CALLS <= 2 * SLOTS  # those in flight at the kill, each perhaps at its second try
            again = client.post("/v1/chat/completions", json=BODY, headers=headers).json()
            assert again["choices"][0]["message"]["content"] == whole["choices"][0]["message"]["content"]
            assert client.get("/v1/runs/mine").json()["status"] == "finished"
            other = client.post("/v1/chat/completions", json={**BODY, "seed": 4}, headers=headers)
            assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
            assert "recovered_total 1.0" in client.get("/metrics").text
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        with server(model.base_url, checkpoint) as (_, client):  # the reply is kept over any restart
            kept = client.post("/v1/chat/completions", json=BODY, headers=headers).json()
            assert kept["choices"][0]["message"]["content"] == whole["choices"][0]["message"]["content"]
        assert model.counters()["requests"] == requests


@pytest.mark.slow
async def test_a_client_that_hung_up_is_not_gone_on_for_and_a_drained_run_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    checkpoint = str(tmp_path / "runs.sqlite")
    with Remote(reply_from="tests.apps.endpoint.test_recovery:step", latency=0.1) as model:
        with server(model.base_url, checkpoint) as (process, client):
            with pytest.raises(httpx.ReadTimeout):
                client.post("/v1/chat/completions", json=BODY, headers={"X-Reflectree-Run": "gone"}, timeout=0.5)
            await _until(lambda: client.get("/v1/runs/gone").json()["status"] == "interrupted")
            asking = asyncio.create_task(asyncio.to_thread(_lost, client, {"X-Reflectree-Run": "drained"}))
            before = model.counters()["answered"]
            await _until(lambda: model.counters()["answered"] >= before + 6)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert await asking == "503"
        with server(model.base_url, checkpoint) as (_, client):
            await _until(lambda: client.get("/v1/runs/drained").json()["status"] == "finished")
            assert client.get("/v1/runs/gone").json()["status"] == "interrupted"
            reply = client.post("/v1/chat/completions", json=BODY, headers={"X-Reflectree-Run": "drained"}).json()
            assert reply["reflectree"]["run_id"] == "drained"


def _lost(client: httpx.Client, headers: dict[str, str]) -> str:
    try:
        return str(client.post("/v1/chat/completions", json=BODY, headers=headers).status_code)
    except httpx.TransportError:
        return "lost"


async def _until(holds: Any) -> None:
    until = time.monotonic() + 30
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)
