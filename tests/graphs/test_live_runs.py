from __future__ import annotations

import asyncio

from tests.support.alive import FIRST, alive
from tests.support.engine import Oracle
from tests.support.virtual_time import others, run_virtually, turns

from reflectree.graphs.live import LiveRun
from reflectree.graphs.live_runs import LiveRuns
from reflectree.rlm_ops.events import Row


def test_runs_are_kept_by_key_and_made_anew_where_the_trace_is_another() -> None:
    made: list[LiveRun] = []

    def join(key: str, rows: list[Row]) -> LiveRun:
        def make() -> LiveRun:
            made.append(alive(Oracle(), rows))
            return made[-1]

        return runs.join(key, rows, make)

    runs = LiveRuns()
    first = join("a", FIRST)
    assert join("a", FIRST) is first
    assert join("b", FIRST) is not first
    other = join("a", [{**FIRST[0], "question": "Other?"}])
    assert other is not first
    assert runs.get("a") is other
    runs.drop("a")
    runs.drop("never there")
    assert runs.get("a") is None
    runs.close()
    assert runs.get("b") is None
    assert len(made) == 3


def test_dropping_cancels_what_is_in_flight() -> None:
    async def story() -> None:
        policy = Oracle(latency=lambda number: 1000.0)
        runs = LiveRuns()
        live = runs.join("a", FIRST, lambda: alive(policy, FIRST))
        _, batches, _ = live.advance(FIRST)
        work = asyncio.ensure_future(live.work("generate", batches["generate"]))
        await asyncio.sleep(1)
        assert policy.flying == 2
        runs.drop("a")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await turns()
        assert policy.flying == 0
        assert others() == []

    run_virtually(story())
