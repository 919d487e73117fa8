"""Runs spread over a Ray cluster: each worker builds its own models from their names and makes one run at a time.

The driver plans, keeps the account, saves traces and labels them exactly as without Ray; only the runs are made
elsewhere, by the same function, of the same tasks and seeds. So the data are those of one process wherever the models'
replies depend on the request alone. Workers need this package and the models' keys in their own environment, and no
shared file system. A run that a dying worker takes with it is made again by another one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from reflectree.graphs.cluster import connected
from reflectree.rlm_ops.errors import BadInput, ReflectreeError
from reflectree.rlm_ops.trace import Trace
from reflectree.training.pipelines.recipe import LocalRunner, Recipe
from reflectree.training.pipelines.runs import Run


class Worker:
    """What lives on a worker: the recipe's models, and the runs made with them, one at a time."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    async def run(self, wanted: Run) -> tuple[list[dict[str, Any]], ReflectreeError | None]:
        """The rows of a finished run, or the error that a user is to read."""
        try:
            async with LocalRunner.open(self._recipe) as runner:
                return list((await runner.run(wanted)).rows), None
        except ReflectreeError as error:
            return [], error


class RayRunner:
    """Makes runs on a Ray cluster; made by `RayRunner.open`."""

    def __init__(self, ray: Any, recipe: Recipe, workers: int) -> None:
        self._ray = ray
        remote = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=2)(Worker)
        words = ray.put(recipe)
        self._workers = [remote.remote(words) for _ in range(workers)]
        self._free: asyncio.Queue[Any] = asyncio.Queue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, recipe: Recipe, address: str, workers: int) -> AsyncIterator[RayRunner]:
        """A runner on a cluster; `local` begins one on this machine and ends it with the block.

        Raises:
            BadInput: A model was given as an object, or the cluster cannot be reached.
            MissingExtra: Ray is not installed.
        """
        if not recipe.travels:
            raise BadInput("runs on Ray build their models there: give them as strings, not as objects")
        async with connected(address, workers, "spreading runs") as ray:
            runner = cls(ray, recipe, workers)
            try:
                yield runner
            finally:
                for worker in runner._workers:
                    ray.kill(worker)

    async def run(self, wanted: Run) -> Trace:
        """See `Runner.run`."""
        worker = await self._free.get()
        try:
            rows, error = await worker.run.remote(wanted)
        except self._ray.exceptions.RayError as error:
            said = str(error).strip().rpartition("\n")[2]
            raise ReflectreeError(
                f"a Ray worker failed at {wanted.name} ({said}): see its log, then run again"
            ) from error
        finally:
            self._free.put_nowait(worker)
        if error is not None:
            raise error
        return Trace.from_rows(rows, run_id=wanted.name)

    async def kept(self, name: str) -> None:
        """See `Runner.kept`; workers keep nothing."""
