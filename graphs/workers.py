"""Workers on a Ray cluster: actors that make runs, chosen by how little they have to do, replaced where they die.

What is shared by everything that spreads runs: design search, benchmarks, data generation. It knows nothing of runs and
of budgets. A call is never repeated here: what a worker that died had paid is known to nobody, so whoever holds the
account counts it in full before the run is made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from reflectree.graphs.cluster import connected
from reflectree.rlm_ops.errors import BadInput, ReflectreeError

TRIES = 3
"""How often one run may lose its worker before it is taken for the cause."""
_LOST = ("RayActorError", "WorkerCrashedError", "NodeDiedError", "ObjectLostError", "OutOfMemoryError")


class Hand(Protocol):
    """What lives on a worker. Errors that a user is to read are returned, not raised: Ray would bury them."""

    async def begin(self) -> ReflectreeError | None:
        """Build everything that runs are made with, or say why that cannot be done."""
        ...


class WorkerLost(ReflectreeError):
    """The worker died, or its machine, while it carried out a call; what it had paid is not known."""

    exit_code = 1


class WorkerFailed(ReflectreeError):
    """A defect on a worker: an error that nobody meant."""

    exit_code = 1


class Workers:
    """Actors of one kind; made by `Workers.open`.

    Args:
        ray: The module, connected.
        kind: The class of what lives on a worker.
        words: Its arguments; they are sent once and read by all.
        count: How many workers.
    """

    def __init__(self, ray: Any, kind: type[Hand], words: Sequence[Any], count: int) -> None:
        self._ray = ray
        self._remote = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(kind)
        try:
            self._words = [ray.put(part) for part in words]
        except (TypeError, pickle.PicklingError, AttributeError) as error:
            raise BadInput(f"what runs are made with cannot be sent to a worker ({_last(error)}): {_FIX}") from error
        self._actors = [self._remote.remote(*self._words) for _ in range(count)]
        self._busy = [0] * count
        self._lost_types = tuple(getattr(ray.exceptions, name) for name in _LOST)

    def __len__(self) -> int:
        return len(self._actors)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, kind: type[Hand], words: Sequence[Any], address: str, count: int, purpose: str
    ) -> AsyncIterator[Workers]:
        """Workers that live as long as the block; each has said that it can work.

        Args:
            kind: What lives on a worker.
            words: Its arguments.
            address: The cluster's address; `local` begins one on this machine.
            count: How many workers.
            purpose: What needs Ray, as the beginning of an error's sentence.

        Raises:
            BadInput: The cluster cannot be reached, or a worker cannot be given or build what it needs.
            MissingExtra: Ray is not installed.
        """
        async with connected(address, count, purpose) as ray:
            workers = cls(ray, kind, words, count)
            try:
                await workers._begin()
                yield workers
            finally:
                for actor in workers._actors:
                    ray.kill(actor)

    async def _begin(self) -> None:
        try:
            found = await asyncio.gather(*(actor.begin.remote() for actor in self._actors))
        except self._ray.exceptions.RayError as error:
            raise BadInput(f"what runs are made with cannot be sent to a worker ({_last(error)}): {_FIX}") from error
        for problem in found:
            if problem is not None:
                raise problem

    async def call(self, method: str, *given: Any, weight: int = 1) -> Any:
        """Have the worker that has least to do carry out a method.

        Args:
            method: Its name.
            given: Its arguments.
            weight: How much there is to do.

        Raises:
            WorkerLost: The worker died; another one has taken its place.
            WorkerFailed: It met a defect.
        """
        place = self._busy.index(min(self._busy))
        actor = self._actors[place]
        self._busy[place] += weight
        try:
            return await getattr(actor, method).remote(*given)
        except self._lost_types as error:
            if self._actors[place] is actor:  # else another call in flight there has said so already
                self._actors[place] = self._remote.remote(*self._words)
            raise WorkerLost(f"a Ray worker died ({_last(error)})") from error
        except self._ray.exceptions.RayError as error:
            raise WorkerFailed(f"a Ray worker failed ({_last(error)}): see its log, then run again") from error
        finally:
            self._busy[place] -= weight


def again(error: WorkerLost, lost: int, what: str) -> str:
    """What is told of a run that is made again elsewhere.

    Args:
        error: How its worker ended.
        lost: How many workers it has lost now.
        what: The run.

    Raises:
        WorkerFailed: It has lost too many: it is the cause.
    """
    if lost >= TRIES:
        raise WorkerFailed(
            f"{what} has lost {lost} workers, the last one so: {error}; give a worker more memory, or leave it out"
        ) from error
    return f"{error}: {what} is made again on another one"


_FIX = "install it there, or run without Ray"


def _last(error: BaseException) -> str:
    """The line of a long message that says most: the last one that names an error, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    named = [line for line in lines if "Error: " in line and not line.startswith(("File ", "ray::"))]
    return (named[-1] if named else lines[0])[:300]
