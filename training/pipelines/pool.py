"""Many runs at once under one cap: a run begins only where its own budget still fits under the cap of the whole job.

So the cap is never exceeded and no run is ever cut by it: when nothing more fits, the job pauses between two runs. A
cap on seconds ends the waiting instead; runs in progress then go on from their checkpoints. A run whose worker died is
made again; what that worker had paid is not known, so all that it was allowed to is counted. It knows nothing of how
runs are made, nor of files.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from reflectree.graphs.workers import WorkerLost, again
from reflectree.rlm_ops.budget import Budget, Ledger, Reservation
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ReflectreeError
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage
from reflectree.training.pipelines.recipe import Runner
from reflectree.training.pipelines.runs import Run


@dataclass(frozen=True, slots=True)
class Caps:
    """The cap of the whole job, and that of each run.

    Raises:
        BadInput: The two do not fit together.
    """

    job: Budget
    each: Budget

    def __post_init__(self) -> None:
        for name in ("calls", "tokens", "usd"):
            whole, each = getattr(self.job, name), getattr(self.each, name)
            if whole is None:
                continue
            if each is None:
                raise BadInput(
                    f"a cap of {whole:g} {name} on the whole job needs one on each run, so that none is cut by it: "
                    f"give budget=Budget({name}=...) (--run-{name})"
                )
            if each > whole:
                raise BadInput(f"one run may cost {each:g} {name} and the whole job {whole:g}: raise the job's cap")

    @property
    def most(self) -> Usage:
        """The most that is known of what one run can cost: what is counted where nobody knows what it did."""
        return Usage(self.each.calls or 0, 0, self.each.tokens or 0, 0, self.each.usd)

    @property
    def counted(self) -> bool:
        """Whether there is a cap on what the whole job pays."""
        return any(cap is not None for cap in (self.job.calls, self.job.tokens, self.job.usd))


OnLost = Callable[[Usage, str], None]
"""Told of a worker that died: the most it can have paid, and what is to be said."""


class Pool:
    """The runs of a session.

    Args:
        runner: What makes them.
        wanted: The runs, in order.
        caps: What they may cost.
        parallel: Runs at once.
        spent: What earlier sessions have paid.
        elapsed: Seconds of earlier sessions.
        on_begin: Told of each run before it begins: what is paid from here on is known once it has ended.
        on_lost: Told of each worker that died.

    Attributes:
        paused: The cap that keeps further runs from beginning; `None` while there is none.
        ledger: The account of the whole job, for what is paid besides runs.
    """

    def __init__(
        self,
        runner: Runner,
        wanted: Sequence[Run],
        caps: Caps,
        parallel: int,
        *,
        spent: Usage,
        elapsed: float,
        on_begin: Callable[[Run], None] | None = None,
        on_lost: OnLost | None = None,
    ) -> None:
        self.paused: str | None = None
        self._runner = runner
        self._wanted = list(reversed(wanted))
        self._caps = caps
        self._parallel = parallel
        self.ledger = Ledger(caps.job, spent=spent, elapsed=elapsed)
        self._started = time.monotonic()
        self._tasks: dict[asyncio.Task[Trace], tuple[Run, Reservation]] = {}
        self._failure: BaseException | None = None
        self._lost: Counter[str] = Counter()
        self._on_begin, self._on_lost = on_begin, on_lost

    @property
    def session_seconds(self) -> float:
        """Seconds since this session began."""
        return time.monotonic() - self._started

    @property
    def in_flight(self) -> int:
        """Runs in progress."""
        return len(self._tasks)

    def pause(self, cap: str) -> None:
        """Begin no further run."""
        self.paused = self.paused or cap

    async def next(self) -> list[tuple[Run, Trace]]:
        """The runs that have finished next, in no order; none at the end or where a cap has paused the job.

        Raises:
            ReflectreeError: A run failed; those that finished beside it were given before.
        """
        if self._failure is not None:
            raise self._failure
        self._begin_runs()
        if not self._tasks:
            return []
        done, _ = await asyncio.wait(self._tasks, timeout=self.ledger.seconds_left, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            self.paused = "seconds"
            await self.cancel()
            return []
        finished: list[tuple[Run, Trace]] = []
        for task in done:
            run, held = self._tasks.pop(task)
            error = task.exception()
            if error is None:
                self.ledger.settle(held, task.result().usage)
                finished.append((run, task.result()))
            elif isinstance(error, WorkerLost):
                self._count_lost(run, held, error)
            else:
                self.ledger.release(held)
                self._failure = self._failure or error
        return finished or await self.next()

    def _begin_runs(self) -> None:
        while self._wanted and len(self._tasks) < self._parallel and self.paused is None:
            each = self._caps.each
            try:
                held = self.ledger.reserve(each.tokens or 0, each.usd or 0.0, each.calls or 0)
            except BudgetRefused as error:
                if not self._tasks or error.cap == "seconds":
                    self.paused = error.cap
                return
            run = self._wanted.pop()
            if self._on_begin is not None:
                self._on_begin(run)
            self._tasks[asyncio.create_task(self._runner.run(run))] = (run, held)

    def _count_lost(self, run: Run, held: Reservation, error: WorkerLost) -> None:
        """Count all that the run may have paid, and make it again, unless it is the cause."""
        most = self._caps.most
        self.ledger.settle(held, most)
        self._lost[run.name] += 1
        try:
            said = again(error, self._lost[run.name], run.name)
        except ReflectreeError as cause:
            self._failure = self._failure or cause
            said = str(error)
        else:
            self._wanted.append(run)
        if self._on_lost is not None:
            self._on_lost(most, said)

    async def cancel(self) -> None:
        """Stop the runs in progress and wait until they have stopped."""
        tasks = list(self._tasks)
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def closing(pool: Pool) -> AsyncIterator[Pool]:
    """A pool whose runs are stopped when the block ends, however it ends."""
    try:
        yield pool
    finally:
        await pool.cancel()
