"""The loopback server is what it says: deterministic, counted, and as wrong as it is told to be."""

from __future__ import annotations

import asyncio
import math
import statistics
from typing import Any

import aiohttp
import pytest

from reflectree.models.loopback import FAULTS, LoopbackServer
from reflectree.rlm_ops.errors import BadInput

BODY: dict[str, Any] = {"model": "loopback", "messages": [{"role": "user", "content": "one two"}]}


async def post(session: aiohttp.ClientSession, server: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    async with session.post(f"{server.base_url}/chat/completions", json=body) as response:
        return response.status, await response.json()


async def test_words_limits_and_usage() -> None:
    async with LoopbackServer(reply="a b c d") as server, aiohttp.ClientSession() as session:
        status, data = await post(session, server, {**BODY, "n": 2, "max_tokens": 3, "logprobs": True, "seed": 1})
    assert status == 200
    assert [choice["message"]["content"] for choice in data["choices"]] == ["a b c"] * 2
    assert data["choices"][0]["finish_reason"] == "length"
    assert len(data["choices"][0]["logprobs"]["content"]) == 3
    assert data["usage"] == {"prompt_tokens": 2, "completion_tokens": 6, "total_tokens": 8}


async def faults_of(seed: int) -> list[int]:
    async with (
        LoopbackServer(faults={"429": 0.3, "500": 0.3}, seed=seed) as server,
        aiohttp.ClientSession() as session,
    ):
        return [(await post(session, server, BODY))[0] for _ in range(60)]


async def test_faults_follow_from_the_seed() -> None:
    first = await faults_of(1)
    assert first == await faults_of(1)
    assert first != await faults_of(2)
    assert {200, 429, 500} == set(first)


async def test_repeated_work_is_counted_only_if_it_had_been_answered() -> None:
    async with LoopbackServer() as server, aiohttp.ClientSession() as session:
        await post(session, server, BODY)
        await post(session, server, {**BODY, "seed": 1})
        await post(session, server, BODY)
        await post(session, server, {**BODY, "model": "none"})
        await post(session, server, {**BODY, "model": "none"})
        async with session.get(server.base_url.removesuffix("/v1") + "/admin/counters") as response:
            counters = await response.json()
    assert counters == {"requests": 5, "answered": 3, "repeated": 1, "max_in_flight": 1, "faults": {}}


def test_latency_is_lognormal_about_its_median() -> None:
    server = LoopbackServer(latency=0.05, sigma=0.8, seed=4)
    seconds = [server.plan(number)[1] for number in range(2000)]
    assert statistics.median(seconds) == pytest.approx(0.05, rel=0.1)
    assert statistics.stdev(map(math.log, seconds)) == pytest.approx(0.8, rel=0.1)
    assert seconds == [LoopbackServer(latency=0.05, sigma=0.8, seed=4).plan(number)[1] for number in range(2000)]
    assert {LoopbackServer(latency=0.05).plan(number) for number in range(9)} == {("", 0.05)}


async def test_latency_is_waited_for() -> None:
    async with LoopbackServer(latency=0.05) as server, aiohttp.ClientSession() as session:
        begun = asyncio.get_running_loop().time()
        await post(session, server, BODY)
        assert asyncio.get_running_loop().time() - begun >= 0.05


@pytest.mark.parametrize("faults", [{"418": 0.1}, {"429": 0.6, "500": 0.6}, {"429": -0.1}])
def test_impossible_faults_are_refused(faults: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="at most 1"):
        LoopbackServer(faults=faults)


async def test_stopping_does_not_wait_for_hanging_answers() -> None:
    async with aiohttp.ClientSession() as session:
        async with LoopbackServer(faults={"hang": 1.0}) as server:
            pending = asyncio.ensure_future(post(session, server, BODY))
            while not server.counters.faults:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        with pytest.raises(aiohttp.ClientError):
            await pending
    assert "hang" in FAULTS


async def test_a_process_of_its_own() -> None:
    with LoopbackServer.in_process(reply=["a", "b"], faults={"500": 0.5}, seed=3) as server:
        async with aiohttp.ClientSession() as session:
            statuses = [(await post(session, server, BODY))[0] for _ in range(20)]
        counters = await asyncio.to_thread(server.counters)
    assert counters["requests"] == 20
    assert counters["answered"] == statuses.count(200) > 0
    assert counters["faults"] == {"500": statuses.count(500)}


def test_a_function_cannot_be_sent_to_another_process() -> None:
    with pytest.raises(BadInput, match="reply_from"):
        LoopbackServer.in_process(reply=lambda body, index: "x")


def test_a_server_does_not_outlive_the_process_that_started_it() -> None:
    with LoopbackServer.in_process(reply="x") as server:
        process = server._process
        process.stdin.close()  # as the system does when the parent is killed
        assert process.wait(timeout=30) == 0
