"""What carries out the runs of a job by a recipe in words, in this process; `spread` does it elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from reflectree.graphs.checkpoint import InlineSqliteSaver, open_saver
from reflectree.graphs.recipe import Recipe
from reflectree.graphs.run import asolve
from reflectree.models.words import ModelWords
from reflectree.rlm_ops.errors import ModelError
from reflectree.rlm_ops.trace import Trace
from reflectree.training.pipelines.runs import Run


class Runner(Protocol):
    """Makes runs."""

    async def run(self, wanted: Run) -> Trace:
        """The finished trace of a run.

        Raises:
            ModelError: The model cannot be reached, refuses, or stopped answering.
        """
        ...

    async def kept(self, name: str) -> None:
        """The trace of this run is saved: whatever else was kept of it can go."""
        ...


class LocalRunner:
    """Makes runs in this process, checkpointed until they are kept elsewhere; made by `LocalRunner.open`."""

    def __init__(self, options: Mapping[str, Any], saver: InlineSqliteSaver | None) -> None:
        self._options = options
        self._saver = saver

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, recipe: Recipe, checkpoint: Path | None = None) -> AsyncIterator[LocalRunner]:
        """A runner whose models live as long as the block; without a file nothing is checkpointed."""
        with contextlib.nullcontext() if checkpoint is None else open_saver(checkpoint) as saver:
            async with recipe.built() as options:
                yield cls(options, saver)

    async def run(self, wanted: Run) -> Trace:
        """See `Runner.run`; a run that was interrupted goes on without paying a settled call again."""
        given: dict[str, Any] = {"seed": wanted.seed, "run_id": wanted.name, "checkpoint": self._saver}
        result = await asolve(wanted.task, **self._options, **given)
        if result.stop_reason.startswith("model:"):
            await self.kept(wanted.name)  # it counts as finished in the checkpoint, and is not
            raise ModelError(
                f"the model stopped answering ({result.stop_reason[6:]}) at task {wanted.task.id or wanted.name}: "
                "run the same command again once it does"
            )
        return result.trace

    async def kept(self, name: str) -> None:
        """See `Runner.kept`."""
        if self._saver is not None:
            await self._saver.adelete_thread(name)


__all__ = ["LocalRunner", "ModelWords", "Recipe", "Runner"]
