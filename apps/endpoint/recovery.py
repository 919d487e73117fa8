"""What is kept of runs beside their checkpoints: who asked for what, under which name, and what came of it.

A record is written before its run begins and holds everything that begins it again: the body, the budget, the name of
the key, never the key. Replies are not kept: the checkpoint of a finished run holds its reply. The tables are ours, in
the file or database of LangGraph's, and the statements are the same for SQLite and Postgres.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver

from reflectree.graphs.checkpoint import open_saver, run_lock
from reflectree.graphs.postgres import NoDatabase, Postgres, is_url, open_postgres
from reflectree.rlm_ops.errors import BadInput, RunLocked

State = Literal["running", "finished", "cancelled", "failed"]

_TABLES = (
    "CREATE TABLE IF NOT EXISTS reflectree_runs (owner TEXT NOT NULL, run TEXT NOT NULL, idempotency TEXT, "
    "digest TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL, created DOUBLE PRECISION NOT NULL, "
    "body TEXT NOT NULL, error TEXT NOT NULL DEFAULT '', PRIMARY KEY (owner, run), UNIQUE (owner, idempotency))",
    "CREATE INDEX IF NOT EXISTS reflectree_runs_state ON reflectree_runs (state)",
    "CREATE TABLE IF NOT EXISTS reflectree_spent (owner TEXT NOT NULL, day BIGINT NOT NULL, "
    "usd DOUBLE PRECISION NOT NULL, tokens BIGINT NOT NULL, PRIMARY KEY (owner, day))",
)
_COLUMNS = "owner, run, idempotency, digest, model, state, created, body, error"
_CHECK = (
    "INSERT INTO reflectree (key, value) VALUES ('checked', %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_CHECK_BUSY_MS = 100
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Record:
    """One run, as it is kept.

    Attributes:
        owner: The name of the key that asked.
        run: Its name, among those of this key.
        idempotency: The client's word for "the same request as before".
        digest: Of everything that changes the reply.
        model: The model that was asked.
        state: What came of it.
        created: Seconds since 1970.
        body: What begins it again.
        error: Why it failed: status, code and message.
    """

    owner: str
    run: str
    idempotency: str | None
    digest: str
    model: str
    state: State
    created: float
    body: dict[str, Any]
    error: tuple[int, str, str] | None = None

    @property
    def thread(self) -> str:
        """The run's name in the checkpoint: two keys may use the same one."""
        return thread_of(self.owner, self.run)


def thread_of(owner: str, run: str) -> str:
    """The name in the checkpoint of a key's run."""
    return f"{owner}/{run}"


class Driver(Protocol):
    """A database, as far as it is needed: statements with `%s` for values."""

    async def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Sequence[Any]:
        """Run one statement and commit; gives its rows as mappings."""
        ...

    async def check(self) -> None:
        """Write something, so that it is known whether runs can be saved.

        Raises:
            Exception: They cannot; the error says why.
        """
        ...


class _Sqlite:
    """SQLite; each statement runs where it stands, well under 1 ms."""

    def __init__(self, connection: sqlite3.Connection, path: str | os.PathLike[str]) -> None:
        self._connection, self._path = connection, path
        self._opened = _identity(path)

    async def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Sequence[Any]:
        cursor = self._connection.cursor()
        cursor.row_factory = sqlite3.Row
        try:
            rows = cursor.execute(statement.replace("%s", "?"), values).fetchall()
            self._connection.commit()
        except sqlite3.Error:
            self._connection.rollback()
            raise
        return rows

    async def check(self) -> None:
        if _identity(self._path) != self._opened:  # it would go on writing to a file that no name leads to
            raise sqlite3.OperationalError(f"{self._path} is gone, or another file stands in its place: start anew")
        (patience,) = self._connection.execute("PRAGMA busy_timeout").fetchone()
        self._connection.execute(f"PRAGMA busy_timeout = {_CHECK_BUSY_MS}")  # nothing else is done while it waits
        try:
            await self.execute(_CHECK, (str(time.time()),))
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {patience}")


class _Postgres:
    """A database, which may be several servers'."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Sequence[Any]:
        try:
            async with asyncio.timeout(_PATIENCE_S):  # the pool goes on trying for longer than clients wait
                return await self._postgres.execute(statement, values)
        except TimeoutError as error:
            raise NoDatabase(f"the database does not answer within {_PATIENCE_S:g} s") from error

    async def check(self) -> None:
        await self.execute(_CHECK, (str(time.time()),))


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Which file stands there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Recovery:
    """Where the runs of a server are kept; see `open_recovery`.

    Args:
        driver: Runs statements.
        saver: The saver of all runs; `None` where each has its own.
        postgres: The database, where it is one.
    """

    def __init__(self, driver: Driver, saver: BaseCheckpointSaver[Any] | None, postgres: Postgres | None) -> None:
        self._driver, self._saver, self._postgres = driver, saver, postgres

    def saver(self) -> BaseCheckpointSaver[Any]:
        """A saver to read with; whoever works on a run wants it `held`."""
        if self._postgres is not None:
            return self._postgres.saver()
        assert self._saver is not None
        return self._saver

    @contextlib.asynccontextmanager
    async def held(self, thread: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        """The saver for a run, with the run held against other servers.

        Raises:
            RunLocked: Another server carries it out.
        """
        if self._postgres is None:
            yield self.saver()
            return
        async with self._postgres.lock(thread):
            yield self.saver()

    async def add(self, record: Record) -> Record | None:
        """Keep a new run; gives the one that is there already under its name or its idempotency key."""
        marks = ", ".join(["%s"] * 9)
        statement = f"INSERT INTO reflectree_runs ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING run"
        if await self._driver.execute(statement, _row(record)):
            return None
        return await self.find(record.owner, record.run, record.idempotency)

    async def find(self, owner: str, run: str | None, idempotency: str | None = None) -> Record | None:
        """A key's run by its name, or by the client's word for it."""
        statement = f"SELECT {_COLUMNS} FROM reflectree_runs WHERE owner = %s AND (idempotency = %s OR run = %s)"
        # compared with nothing, nothing is found
        rows = await self._driver.execute(statement, (owner, idempotency, run))
        return _record(rows[0]) if rows else None

    async def mark(self, owner: str, run: str, state: State, error: tuple[int, str, str] | None = None) -> None:
        """Say what came of a run."""
        statement = "UPDATE reflectree_runs SET state = %s, error = %s WHERE owner = %s AND run = %s"
        await self._driver.execute(statement, (state, json.dumps(error) if error else "", owner, run))

    async def unfinished(self) -> list[Record]:
        """The runs that were under way when their server died, the oldest first."""
        statement = f"SELECT {_COLUMNS} FROM reflectree_runs WHERE state = 'running' ORDER BY created"
        return [_record(row) for row in await self._driver.execute(statement)]

    async def expire(self, before: float) -> int:
        """Forget the runs that ended and were begun before then, in seconds since 1970; says how many."""
        where = "state <> 'running' AND created < %s"
        rows = await self._driver.execute(f"SELECT owner, run FROM reflectree_runs WHERE {where}", (before,))
        for row in rows:
            with contextlib.suppress(RunLocked):
                async with self.held(thread := thread_of(row["owner"], row["run"])) as saver:
                    await saver.adelete_thread(thread)
                    statement = "DELETE FROM reflectree_runs WHERE owner = %s AND run = %s"
                    await self._driver.execute(statement, (row["owner"], row["run"]))
        await self._driver.execute("DELETE FROM reflectree_spent WHERE day < %s", (int(before // 86_400),))
        return len(rows)

    async def check(self) -> None:
        """Write something, so that it is known whether runs can be saved.

        Raises:
            Exception: They cannot; the error says why.
        """
        await self._driver.check()

    async def spend(self, owner: str, day: int, usd: float, tokens: int) -> tuple[float, int]:
        """Add to what a key has spent on a day (days since 1970, UTC); gives what it comes to, on all servers."""
        rows = await self._driver.execute(
            "INSERT INTO reflectree_spent (owner, day, usd, tokens) VALUES (%s, %s, %s, %s) ON CONFLICT (owner, day) "
            "DO UPDATE SET usd = reflectree_spent.usd + excluded.usd, "
            "tokens = reflectree_spent.tokens + excluded.tokens RETURNING usd, tokens",
            (owner, day, usd, tokens),
        )
        return float(rows[0]["usd"]), int(rows[0]["tokens"])


@contextlib.asynccontextmanager
async def open_recovery(checkpoint: str | os.PathLike[str]) -> AsyncIterator[Recovery]:
    """Where runs are kept: a SQLite file, which is this process's alone, or the address of a Postgres database.

    Raises:
        BadInput: It cannot be used, or another server uses the file.
        TraceError: It was written by another version.
    """
    async with contextlib.AsyncExitStack() as stack:
        if is_url(checkpoint):
            postgres = await stack.enter_async_context(open_postgres(str(checkpoint)))
            database = _Postgres(postgres)
            async with postgres.turn("reflectree:runs"):
                await _make_tables(database)
            recovery = Recovery(database, None, postgres)
        else:
            try:
                stack.enter_context(run_lock(checkpoint, "reflectree serve"))
            except RunLocked:
                said = f"another server uses the checkpoint {checkpoint}: stop it, or give each its own"
                raise BadInput(said) from None
            saver = stack.enter_context(open_saver(checkpoint))
            driver = _Sqlite(saver.conn, checkpoint)
            await _make_tables(driver)
            recovery = Recovery(driver, saver, None)
        yield recovery


async def _make_tables(driver: Driver) -> None:
    for statement in _TABLES:
        await driver.execute(statement)


def _row(record: Record) -> tuple[Any, ...]:
    error = json.dumps(record.error) if record.error else ""
    body = json.dumps(record.body)
    fields = (record.owner, record.run, record.idempotency, record.digest, record.model, record.state, record.created)
    return (*fields, body, error)


def _record(row: Any) -> Record:
    error = json.loads(row["error"]) if row["error"] else None
    return Record(
        owner=row["owner"],
        run=row["run"],
        idempotency=row["idempotency"],
        digest=row["digest"],
        model=row["model"],
        state=row["state"],
        created=row["created"],
        body=json.loads(row["body"]),
        error=None if error is None else (int(error[0]), str(error[1]), str(error[2])),
    )
