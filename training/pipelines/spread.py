"""Runs spread over a Ray cluster: each worker builds its own models from their names and makes one run at a time.

The driver plans, keeps the account, saves traces and labels them exactly as without Ray; only the runs are made
elsewhere, by the same function, of the same tasks and seeds. So the data are those of one process wherever the models'
replies depend on the request alone. Workers need this package and the models' keys in their own environment, and no
shared file system. A run that a dying worker takes with it is made again by another one, once the account has it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from reflectree.graphs.recipe import Recipe
from reflectree.graphs.workers import Workers
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.trace import Trace
from reflectree.training.pipelines.recipe import LocalRunner
from reflectree.training.pipelines.runs import Run


class Worker:
    """What lives on a worker: the recipe's models, built once, and the runs made with them."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._open: contextlib.AsyncExitStack | None = None
        self._runner: LocalRunner

    async def begin(self) -> ReflectreeError | None:
        """Build the models, or say why that cannot be done here."""
        try:
            await self._ready()
        except ReflectreeError as error:
            return error
        return None

    async def run(self, wanted: Run) -> tuple[list[dict[str, Any]], ReflectreeError | None]:
        """The rows of a finished run, or the error that a user is to read."""
        try:
            return list((await (await self._ready()).run(wanted)).rows), None
        except ReflectreeError as error:
            return [], error

    async def _ready(self) -> LocalRunner:
        if self._open is None:
            stack = contextlib.AsyncExitStack()
            self._runner = await stack.enter_async_context(LocalRunner.open(self._recipe))
            self._open = stack
        return self._runner


class RayRunner:
    """Makes runs on a Ray cluster; made by `RayRunner.open`."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, recipe: Recipe, address: str, workers: int) -> AsyncIterator[RayRunner]:
        """A runner on a cluster; `local` begins one on this machine and ends it with the block.

        Raises:
            BadInput: A model was given as an object, or the cluster cannot be reached.
            MissingExtra: Ray is not installed.
        """
        recipe.refuse_to_travel()
        async with Workers.open(Worker, [recipe], address, workers, "spreading runs") as spread:
            yield cls(spread)

    async def run(self, wanted: Run) -> Trace:
        """See `Runner.run`.

        Raises:
            WorkerLost: The worker died; what it had paid is not known.
        """
        rows, error = await self._workers.call("run", wanted)
        if error is not None:
            raise error
        return Trace.from_rows(rows, run_id=wanted.name)

    async def kept(self, name: str) -> None:
        """See `Runner.kept`; workers keep nothing."""
