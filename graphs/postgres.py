"""Where runs are saved, in Postgres: LangGraph's saver over one pool of connections, and one lock a run.

A run is held by an advisory lock of the database, so that two machines never work on the same one; the database lets go
of it when the process that held it dies. The password of an address is never shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from reflectree.graphs.checkpoint import VERSION
from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError
from reflectree.rlm_ops.extras import require

if TYPE_CHECKING:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg import AsyncConnection
    from psycopg.rows import DictRow
    from psycopg_pool import AsyncConnectionPool

Connect: TypeAlias = "Callable[[], Awaitable[AsyncConnection[DictRow]]]"

SCHEMES = ("postgresql://", "postgres://")

CONNECT_S = 10.0
"""Seconds in which a connection must be there."""

SETUP_S = 60.0
"""Seconds in which the tables must be there."""

POOL = 8
"""Most connections of a process besides the one that holds its locks; runs wait for one of them in turn."""


class NoDatabase(BadInput):
    """Nobody answers at the address of the database, or not to us."""


def is_url(checkpoint: object) -> bool:
    """Whether a checkpoint is named by the address of a Postgres database."""
    return isinstance(checkpoint, str) and checkpoint.startswith(SCHEMES)


def shown(url: str) -> str:
    """An address without its user, its password and its options, for people."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@cache
def _saver_class() -> type[AsyncPostgresSaver]:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    class Saver(AsyncPostgresSaver):
        """LangGraph's saver, for texts of models: the texts that it keeps as JSON may hold no null character."""

        async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
            values = {
                name: value.replace("\0", "\ufffd") if isinstance(value, str) else value
                for name, value in checkpoint["channel_values"].items()
            }
            written: Any = {**checkpoint, "channel_values": values}
            return await super().aput(config, written, metadata, new_versions)

    return Saver


class Postgres:
    """One database that runs are saved in, as one event loop uses it; see `open_postgres`.

    Attributes:
        url: Its address, password included.
        pool: Connections, autocommitting, with rows as dictionaries.
    """

    def __init__(self, url: str, pool: AsyncConnectionPool[AsyncConnection[DictRow]], connect: Connect) -> None:
        self.pool = pool
        self.url = url
        self._connect = connect
        self._holder: AsyncConnection[DictRow] | None = None
        self._turn = asyncio.Lock()
        self._held: set[str] = set()

    def saver(self) -> AsyncPostgresSaver:
        """A saver for one run; savers work side by side, and each does one thing at a time."""
        return _saver_class()(self.pool)

    @contextlib.asynccontextmanager
    async def lock(self, run_id: str) -> AsyncIterator[None]:
        """Hold a run for this process; the database lets go of it when the process dies.

        Raises:
            RunLocked: Another process, or another call in this one, holds it.
        """
        # a session is granted again what it has: that another call of this process has it is known here alone
        if run_id in self._held or not await self._ask("pg_try_advisory_lock", run_id):
            raise RunLocked(f"run {run_id} is being worked on by another process: wait for it, or use a new run id")
        self._held.add(run_id)
        try:
            yield
        finally:
            self._held.discard(run_id)
            with contextlib.suppress(Exception):  # a connection that is lost holds nothing any more
                await asyncio.shield(self._ask("pg_advisory_unlock", run_id))

    @contextlib.asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Hold a name as `lock` does, waiting for it."""
        async with contextlib.AsyncExitStack() as stack:
            # not one statement that waits: LangGraph makes an index concurrently, which would wait for whoever waits
            while True:
                try:
                    await stack.enter_async_context(self.lock(name))
                    break
                except RunLocked:
                    await asyncio.sleep(0.05)
            yield

    async def _ask(self, function: str, run_id: str) -> bool:
        number = int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], signed=True)
        import psycopg

        async with self._turn:
            known = self._holder is not None and not self._holder.closed
            try:
                return await self._called(function, number)
            except psycopg.OperationalError:
                if not known:
                    raise
                return await self._called(function, number)  # the database was restarted: it holds nothing any more

    async def _called(self, function: str, number: int) -> bool:
        if self._holder is None or self._holder.closed:
            self._holder = await self._connect()
        found = await (await self._holder.execute(f"SELECT {function}(%s) AS done".encode(), (number,))).fetchone()
        return found is not None and bool(found["done"])

    async def aclose(self) -> None:
        """Let go of every run."""
        if self._holder is not None:
            await self._holder.close()

    async def execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        """Run one statement, with `%s` for values; gives its rows."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description else []


@contextlib.asynccontextmanager
async def open_postgres(url: str) -> AsyncIterator[Postgres]:
    """The database at an address, its tables made where they are not there.

    Raises:
        BadInput: An extra is missing, or the address is none.
        NoDatabase: Nobody answers there, or the password is wrong.
        TraceError: The runs in it are of another version.
    """
    require("langgraph.checkpoint.postgres.aio", "postgres", "a checkpoint in Postgres")
    psycopg: Any = require("psycopg", "postgres", "a checkpoint in Postgres")
    pools: Any = require("psycopg_pool", "postgres", "a checkpoint in Postgres")
    from psycopg.rows import dict_row

    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row, "connect_timeout": int(CONNECT_S)}
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        said = f"{shown(url)!r} is no address of a database: write postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        raise BadInput(said) from None  # the cause may show the password

    async def connect() -> Any:
        try:
            return await psycopg.AsyncConnection.connect(url, **options)
        except psycopg.Error as error:
            raise NoDatabase(_unreachable(url, error)) from None

    await (await connect()).close()  # a pool would go on trying, and say why in a log alone
    pool = pools.AsyncConnectionPool(
        url,
        min_size=1,
        max_size=POOL,
        timeout=60,
        open=False,
        kwargs=options,
        name="reflectree",
        check=pools.AsyncConnectionPool.check_connection,  # a database that was restarted would fail one run for each
    )
    async with pool:
        place = Postgres(url, pool, connect)
        async with contextlib.aclosing(place):
            try:
                await _make_tables(place)
            except (psycopg.Error, TimeoutError) as error:
                first = str(error).strip().partition("\n")[0]
                raise BadInput(f"cannot use the checkpoint {shown(url)}: {first}; choose another database") from None
            yield place


async def _make_tables(place: Postgres) -> None:
    """LangGraph's tables and ours, by one process at a time: two that begin together would both migrate.

    Raises:
        TraceError: The runs in it are of another version.
    """
    async with asyncio.timeout(SETUP_S), place.turn("reflectree:tables"):
        await place.saver().setup()
        await place.execute("CREATE TABLE IF NOT EXISTS reflectree (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        insert = "INSERT INTO reflectree VALUES ('version', %s) ON CONFLICT (key) DO NOTHING"
        await place.execute(insert, (str(VERSION),))
        rows = await place.execute("SELECT value FROM reflectree WHERE key = 'version'")
    if rows[0]["value"] != str(VERSION):
        raise TraceError(
            f"the checkpoint {shown(place.url)} is of version {rows[0]['value']}; this reflectree reads version "
            f"{VERSION}: use the reflectree release that wrote it, or another database"
        )


def _unreachable(url: str, error: Exception) -> str:
    """Why there is no connection, in one line and without the password."""
    first = str(error).strip().replace("\n", " ")
    password = urlsplit(url).password
    first = first.replace(password, "***") if password else first
    return f"cannot connect to {shown(url)}: {first}; check the address, and that the database runs"


__all__ = ["NoDatabase", "Postgres", "is_url", "open_postgres", "shown"]
