"""Runs of a benchmark on a Ray cluster: each worker builds its own models from their names and makes one at a time.

Blueprints, tasks and seeds are those of one process, and so are the runs' names, so that their traces are equal to the
byte wherever the models' replies depend on the request alone. Whole traces come back; nothing is kept on a worker.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from reflectree.graphs.benching.driving import run_name
from reflectree.graphs.recipe import Recipe
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.graphs.workers import Workers
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace


class Worker:
    """What lives on a worker: the models, built once, the tasks, and the runs made of both.

    Args:
        recipe: What runs are made with; its blueprint is the first of those compared.
        tasks: All tasks.
        seed: Seed of all sampling.
    """

    def __init__(self, recipe: Recipe, tasks: Sequence[Task], seed: int) -> None:
        self._recipe, self._tasks, self._seed = recipe, tasks, seed
        self._open: contextlib.AsyncExitStack | None = None
        self._options: dict[str, Any] = {}

    async def begin(self) -> ReflectreeError | None:
        """Build the models and reach the value model, or say why that cannot be done here."""
        try:
            await self._recipe.check(self._tasks[0])
            await self._ready()
        except ReflectreeError as error:
            return error
        return None

    async def run(
        self, design: str, number: int, run_id: str
    ) -> tuple[list[dict[str, Any]], float, ReflectreeError | None]:
        """The rows of a finished run and its seconds, or the error that a user is to read."""
        try:
            options = {**await self._ready(), "blueprint": Blueprint.parse(json.loads(design))}
            result = await asolve(self._tasks[number], **options, seed=self._seed, run_id=run_id)
        except ReflectreeError as error:
            return [], 0.0, error
        return list(result.trace.rows), result.wall_s, None

    async def _ready(self) -> dict[str, Any]:
        if self._open is None:
            stack = contextlib.AsyncExitStack()
            self._options = await stack.enter_async_context(self._recipe.built())
            self._open = stack
        return self._options


class Spread:
    """Makes runs on a cluster; made by `Spread.open`."""

    def __init__(self, workers: Workers, tasks: Sequence[Task]) -> None:
        self._workers = workers
        self._numbers = {id(task): number for number, task in enumerate(tasks)}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, recipe: Recipe, tasks: Sequence[Task], seed: int, address: str, workers: int
    ) -> AsyncIterator[Spread]:
        """Runs elsewhere, for the time of the block.

        Raises:
            BadInput: A model is an object, or the cluster cannot be reached or given what runs need.
            ModelError: A worker cannot reach the value model.
            MissingExtra: Ray is not installed.
        """
        recipe.refuse_to_travel()
        words = (recipe, [replace(task) for task in tasks], seed)
        async with Workers.open(Worker, words, address, workers, "spreading a benchmark") as found:
            yield cls(found, tasks)

    async def make(self, plan: Blueprint, name: str, task: Task) -> Result:
        """One run.

        Raises:
            WorkerLost: Its worker died.
            ReflectreeError: What the run itself ended with.
        """
        run_id = run_name(plan.name, name)
        design = json.dumps(plan.model_dump(mode="json"))
        rows, seconds, error = await self._workers.call("run", design, self._numbers[id(task)], run_id)
        if error is not None:
            raise error
        return Result.of(Trace.from_rows(rows, run_id=run_id), seconds)
