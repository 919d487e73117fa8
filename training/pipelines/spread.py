"""Runs spread over a Ray cluster: each worker builds its own models from their names and makes one run at a time.

The driver plans, keeps the account, saves traces and labels them exactly as without Ray; only the runs are made
elsewhere, by the same function, of the same tasks and seeds. So the data are those of one process wherever the models'
replies depend on the request alone. Workers need this package and the models' keys in their own environment, and no
shared file system. A run that a dying worker takes with it is made again by another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.errors import BadInput, ReflectreeError
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.trace import Trace
from reflectree.training.pipelines.recipe import LocalRunner, Recipe
from reflectree.training.pipelines.runs import Run

CONNECT_S = 10.0
_LOCAL_ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "1"}
"""A cluster of one's own: nobody else reaches it, no token is written into the home folder, nothing is reported."""


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
        local = address == "local"
        if not local:
            await _listens(address)
        with _environment(_LOCAL_ENVIRONMENT if local else {}):
            ray = await asyncio.to_thread(require, "ray", "ray", "spreading runs")
            if ray.is_initialized():
                raise BadInput("this process is connected to Ray already: call ray.shutdown() before")
            try:
                await asyncio.to_thread(_connect, ray, None if local else address, workers)
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                said = str(error).strip().partition("\n")[0]
                raise BadInput(f"no Ray cluster at {address} ({said}): check the address, or use local") from error
            try:
                runner = cls(ray, recipe, workers)
                try:
                    yield runner
                finally:
                    for worker in runner._workers:
                        ray.kill(worker)
            finally:
                await asyncio.to_thread(ray.shutdown)

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


async def _listens(address: str) -> None:
    """Look whether anybody is there at all: Ray itself tries for minutes.

    Raises:
        BadInput: Nobody is.
    """
    place = re.fullmatch(r"(?:ray://)?\[?([^\]/]+?)\]?:(\d+)", address)
    if place is None:  # `auto` and the like are for Ray to understand
        return
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(place[1], int(place[2]))
    except (OSError, OverflowError, TimeoutError) as error:
        raise BadInput(f"no Ray cluster at {address}: nobody listens there; check the address, or use local") from error
    writer.close()


def _connect(ray: Any, address: str | None, workers: int) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        # the package as it is here, wherever this process found it
        root = str(Path(__file__).parents[3])
        paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        options |= {"num_cpus": workers, "include_dashboard": False, "runtime_env": {"env_vars": {"PYTHONPATH": paths}}}
    ray.init(address=address, **options)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Any:
    """Set environment variables while the block runs, where they are not set already."""
    ours = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in ours})
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
