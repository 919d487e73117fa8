from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import Oracle, search
from tests.support.postgres import postgres

from reflectree.graphs.checkpoint import held_saver
from reflectree.graphs.postgres import is_url, open_postgres, shown
from reflectree.graphs.run import asaved_trace, asolve
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError

CALLS, SLOTS = 60, 4
ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


def test_what_is_an_address() -> None:
    assert is_url("postgresql://localhost/runs")
    assert is_url("postgres://localhost/runs")
    assert not is_url("runs.sqlite")
    assert not is_url(Path("postgresql:/x"))
    assert shown("postgresql://me:secret@db:5432/runs?sslmode=require") == "postgresql://db:5432/runs"


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cret@127.0.0.1:1/runs", "postgresql://me:s3cret@h/x?nonsense=s3cret"]
)
async def test_no_database_is_one_line_without_the_password(url: str) -> None:
    with pytest.raises(BadInput) as error:
        async with open_postgres(url):
            pass
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)
    assert "postgresql://" in str(error.value)


@pytest.mark.slow
async def test_a_wrong_password_is_not_shown(database: str) -> None:
    with pytest.raises(BadInput, match="password authentication failed") as error:
        async with open_postgres(database.replace("s3cret", "wr0ng")):
            pass
    assert "wr0ng" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
async def test_a_run_is_saved_as_it_is_elsewhere(database: str) -> None:
    expected = await search(Oracle(), run_id="same")
    async with held_saver(database, "same") as saver:
        result = await search(Oracle(), run_id="same", checkpoint=saver)
        assert result.trace.rows == expected.trace.rows
    policy = Oracle()
    async with held_saver(database, "same") as saver:
        assert saver is not None
        assert (await asaved_trace("same", saver)).rows == expected.trace.rows
        again = await search(policy, run_id="same", checkpoint=saver)
    assert again.answer == expected.answer
    assert policy.requests == []


@pytest.mark.slow
async def test_many_runs_share_the_connections(database: str) -> None:
    async with open_postgres(database) as place:

        async def one(number: int) -> Any:
            async with place.lock(f"many-{number}"):
                return await search(Oracle(), run_id=f"many-{number}", checkpoint=place.saver(), task=f"{number}?")

        results = await asyncio.gather(*(one(number) for number in range(20)))
        assert [result.trace.began.question for result in results] == [f"{number}?" for number in range(20)]


@pytest.mark.slow
async def test_a_run_is_worked_on_once_at_a_time(database: str) -> None:
    async with open_postgres(database) as one, open_postgres(database) as other:
        async with one.lock("held"):
            for place in (one, other):
                with pytest.raises(RunLocked, match="held is being worked on"):
                    async with place.lock("held"):
                        pass
            async with other.lock("free"):
                pass
        async with other.lock("held"):
            pass


@pytest.mark.slow
async def test_a_connection_that_is_lost_is_made_anew(database: str) -> None:
    async with open_postgres(database) as place, open_postgres(database) as other:
        for during in (True, False):
            ours = "application_name = '' AND pid <> pg_backend_pid() AND query LIKE '%%advisory%%'"
            async with place.lock("before") if during else contextlib.nullcontext():
                await other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
                await asyncio.sleep(0.1)
            for name in ("after", "before"):
                async with place.lock(name):
                    pass


@pytest.mark.slow
async def test_another_version(database: str) -> None:
    async with open_postgres(database) as place:
        await place.execute("UPDATE reflectree SET value = '99' WHERE key = 'version'")
        try:
            with pytest.raises(TraceError, match="version 99"):
                async with open_postgres(database):
                    pass
        finally:
            await place.execute("UPDATE reflectree SET value = '1' WHERE key = 'version'")


RUN = """
import asyncio, sys
from reflectree.graphs.checkpoint import held_saver
from tests.graphs.test_postgres import go
asyncio.run(go(sys.argv[1], sys.argv[2]))
"""


async def go(database: str, model: str) -> Any:
    """One run, to be killed and gone on with; distinct steps without an answer, so that the budget ends it."""
    options: dict[str, Any] = {"policy": f"{model}#loopback", "evaluator": lambda path: 0.5, "concurrency": SLOTS}
    async with held_saver(database, "killed") as saver:
        return await asolve(
            "What?", blueprint="mcts", budget=Budget(calls=CALLS), checkpoint=saver, run_id="killed", **options
        )


def step(body: dict[str, Any], number: int) -> str:
    """A step that follows from the call alone."""
    return f"Thought {body['seed']}: go on."


@pytest.mark.slow
async def test_killed_and_resumed_nothing_settled_is_paid_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ROOT)  # for the processes of the model and of the run
    with Remote(reply_from="tests.graphs.test_postgres:step", latency=0.02) as server:
        for after in (10, 30):
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, database, server.base_url)
            until = time.monotonic() + 60
            while server.counters()["answered"] < after:
                assert process.returncode is None
                assert time.monotonic() < until
                await asyncio.sleep(0.01)
            process.kill()
            await process.wait()
        await asyncio.sleep(0.1)
        async with held_saver(database, "killed") as saver:  # its lock died with the process
            assert saver is not None
            settled = (await asaved_trace("killed", saver)).usage.calls
        assert settled > 10
        before = server.counters()["requests"]
        result = await go(database, server.base_url)
        assert result.usage.calls == CALLS
        assert server.counters()["requests"] - before == CALLS - settled
        assert server.counters()["requests"] - CALLS <= 2 * SLOTS


@pytest.mark.slow
async def test_null_characters_and_lost_connections_cost_no_run(database: str) -> None:
    policy = ScriptedPolicy("a\0b\nAnswer: n\0l")
    async with open_postgres(database) as place:
        first = await asolve("Which?", blueprint="cot", policy=policy, checkpoint=place.saver(), run_id="null")
        assert first.answer is not None
        assert "l" in first.answer
        others = "WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
        await place.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity {others}")
        await asyncio.gather(*(place.execute("SELECT pg_backend_pid()") for _ in range(3)))
        again = await asolve("Which?", blueprint="cot", policy=policy, checkpoint=place.saver(), run_id="lost")
        assert again.answer == first.answer
