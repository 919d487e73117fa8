from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.postgres import postgres

from reflectree.apps.endpoint import recovery as module
from reflectree.apps.endpoint.readiness import Readiness
from reflectree.apps.endpoint.recovery import Recovery, open_recovery
from reflectree.graphs.postgres import NoDatabase


class Checked:
    """A checkpoint that fails when told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self) -> None:
        self.asked += 1
        await self.open.wait()
        if self.error is not None:
            raise self.error


async def usable(recovery: Recovery) -> bool:
    """What is found now, with nothing remembered."""
    return await Readiness(recovery.check, patience=20.0).usable()


async def test_what_was_found_is_told_again_for_a_while_and_logged_when_it_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    check = Checked()
    readiness = Readiness(check, kept=2.0, clock=lambda: now)
    check.open.clear()
    asking = [asyncio.create_task(readiness.usable()) for _ in range(5)]
    await asyncio.sleep(0)
    check.open.set()
    assert await asyncio.gather(*asking) == [True] * 5
    check.error = OSError("no space left on device\nhint: buy a disk")
    assert await readiness.usable()
    assert check.asked == 1
    for then in (2.0, 4.0, 6.0):
        now = then
        assert not await readiness.usable()
    assert readiness.failing
    check.error = None
    assert not await readiness.usable()
    now = 8.0
    assert await readiness.usable()
    assert check.asked == 5
    assert not readiness.failing
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("ERROR", "runs cannot be saved: OSError: no space left on device"),
        ("WARNING", "runs can be saved again"),
    ]


async def test_what_does_not_answer_cannot_be_used(caplog: pytest.LogCaptureFixture) -> None:
    check = Checked()
    check.open.clear()
    assert not await Readiness(check, patience=0.01).usable()
    assert "does not answer within 0.01 s" in caplog.text


async def test_a_file_that_is_there(tmp_path: Path) -> None:
    async with open_recovery(tmp_path / "runs.sqlite") as recovery:
        assert await usable(recovery)
        os.rename(tmp_path / "runs.sqlite", tmp_path / "away")
        assert not await usable(recovery)
        sqlite3.connect(tmp_path / "runs.sqlite").close()  # another one in its place
        assert not await usable(recovery)
        os.replace(tmp_path / "away", tmp_path / "runs.sqlite")
        assert await usable(recovery)


async def test_a_disk_that_takes_nothing_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No file of this process may grow: as on a full disk, what is read still works."""
    async with open_recovery(tmp_path / "runs.sqlite") as recovery:
        assert await usable(recovery)
        size = (tmp_path / "runs.sqlite-wal").stat().st_size
        assert size > 0
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            assert not await usable(recovery)
            assert await recovery.find("ann", "r1") is None
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "runs cannot be saved: OperationalError: disk I/O error" in caplog.text
        assert await usable(recovery)


async def test_a_file_that_is_locked_or_may_not_be_written(tmp_path: Path) -> None:
    async with open_recovery(tmp_path / "runs.sqlite") as recovery:
        other = sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert not await usable(recovery)
        other.execute("COMMIT")
        other.close()
        assert await usable(recovery)
        connection = recovery.saver().conn  # type: ignore[attr-defined]
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
        connection.execute("PRAGMA query_only = ON")  # what SQLite says of a file system that became read-only
        assert not await usable(recovery)
        connection.execute("PRAGMA query_only = OFF")
        assert await usable(recovery)


@pytest.fixture
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.mark.slow
async def test_a_database_that_takes_nothing_or_is_gone(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    async with open_recovery(database) as recovery:
        assert await usable(recovery)
        with psycopg.connect(database, autocommit=True) as connection:
            row = connection.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
            assert row is not None
            pid = _postmaster(row[0])
            for read_only in ("on", "off"):  # as after a failover, to a server that only follows another
                connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {read_only}".encode())
                connection.execute("SELECT pg_reload_conf()")
                await _soon(recovery, read_only == "off")
        os.kill(pid, signal.SIGINT)
        await _soon(recovery, False)
        monkeypatch.setattr(module, "_PATIENCE_S", 0.1)
        with pytest.raises(NoDatabase, match=r"does not answer within 0\.1 s"):  # a pool waits for a minute
            await recovery.find("ann", "r1")


def _postmaster(folder: str) -> int:
    """The process that is the server of a database."""
    return int(Path(folder, "postmaster.pid").read_text().splitlines()[0])


async def _soon(recovery: Recovery, expected: bool) -> None:
    async with asyncio.timeout(30):
        while await Readiness(recovery.check, patience=2.0).usable() is not expected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
