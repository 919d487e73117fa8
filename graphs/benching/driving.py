"""The runs of a benchmark, one after another or several at once, under a cap on all of them together.

Tasks are taken one after another and all blueprints see a task before the next one begins, so that what an interruption
leaves behind is still a fair comparison. A run begins only where the most it can cost still fits under the cap; it is
written down before, so that what a kill or a dying worker leaves unknown counts in full. It knows nothing of how runs
are made.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from reflectree.graphs.benching.record import BenchFile, Outcome
from reflectree.graphs.result import Result
from reflectree.graphs.workers import WorkerFailed, WorkerLost, again
from reflectree.models.base import PolicyModel
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger, Reservation
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import Usage

Make = Callable[[Blueprint, str, Task], Awaitable[Result]]
"""Makes one run: the blueprint, the task's name, the task."""


class Clock:
    """Says whether another task still fits into the time, going by the last few: the first one loads the model."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._started = time.monotonic()
        self._begun: dict[str, float] = {}
        self._recent: deque[float] = deque([0.0], maxlen=3)

    def begin(self, task: str) -> None:
        """A task has begun now."""
        self._begun.setdefault(task, time.monotonic())

    def has_begun(self, task: str) -> bool:
        """Whether a run of this task has begun in this session."""
        return task in self._begun

    def done(self, task: str) -> None:
        """A task has ended now."""
        self._recent.append(time.monotonic() - self._begun[task])

    def is_time_for_another(self) -> bool:
        """Whether a task as slow as the slowest of the last few would end in time."""
        left = float("inf") if self._seconds is None else self._started + self._seconds - time.monotonic()
        return max(self._recent) <= left


@dataclass(frozen=True, slots=True)
class Cap:
    """The cap on all runs together, and the most that one can cost.

    Raises:
        BadInput: The two do not fit together.
    """

    whole: Budget
    tokens: int
    usd: float | None

    def __post_init__(self) -> None:
        if self.whole.calls is not None or self.whole.seconds is not None:
            raise BadInput("a benchmark's cap is on tokens or dollars: runs have no cap on calls, seconds= is for time")
        if self.whole.tokens is not None and self.whole.tokens < self.tokens:
            raise BadInput(
                f"one run may cost {self.tokens:,} tokens and the whole benchmark {self.whole.tokens:,}: raise its cap"
            )
        if self.whole.usd is not None:
            if self.usd is None:
                raise BadInput("a cap on dollars needs the price of every model: give it, or cap tokens instead")
            if self.whole.usd < self.usd:
                raise BadInput(
                    f"one run may cost ${self.usd:.4g} and the whole benchmark ${self.whole.usd:.4g}: raise its cap"
                )

    @property
    def counted(self) -> bool:
        """Whether there is one."""
        return self.whole != Budget()

    @property
    def most(self) -> Usage:
        """What counts for a run of which nobody knows what it paid."""
        return Usage(0, 0, self.tokens, 0, self.usd)


@dataclass
class Drive:
    """The runs of a benchmark that are still to be made.

    Attributes:
        file: Where outcomes are kept.
        make: Makes one run.
        cap: What all may cost together.
        width: Runs at once.
        clock: Says whether there is time.
        on_outcome: Told of each outcome.
        on_note: Told of a worker that died.
    """

    file: BenchFile
    make: Make
    cap: Cap
    width: int
    clock: Clock
    on_outcome: Callable[[Outcome, Result], None] | None = None
    on_note: Callable[[str], None] | None = None
    _queue: deque[tuple[str, Task, Blueprint]] = field(default_factory=deque)
    _left: Counter[str] = field(default_factory=Counter)
    _lost: Counter[tuple[str, str]] = field(default_factory=Counter)
    _running: dict[asyncio.Task[Result], tuple[str, Task, Blueprint, Reservation]] = field(default_factory=dict)
    _late: bool = False
    _ledger: Ledger = field(init=False)

    async def run(self, tasks: Sequence[tuple[str, Task]], plans: Sequence[Blueprint]) -> str | None:
        """Make every run that the file does not hold; the cap that paused them, where one did.

        Raises:
            ModelError: A model stopped answering; what ended beside that run is kept.
            WorkerFailed: A run has lost too many workers.
        """
        done = {(outcome.blueprint, outcome.task) for outcome in self.file.done}
        self._queue.extend(
            (name, task, plan) for name, task in tasks for plan in plans if (plan.name, name) not in done
        )
        self._left.update(name for name, _, _ in self._queue)
        self._ledger = Ledger(self.cap.whole, spent=self.file.spent)
        paused = None
        try:
            while True:
                paused = self._begin()
                if not self._running:
                    return paused
                ended, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                failures = [failure for task in ended if (failure := self._end(task)) is not None]
                if failures:
                    raise failures[0]
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _begin(self) -> str | None:
        """Begin as many as may; the cap that keeps the next one from it."""
        while self._queue and len(self._running) < self.width and not self._late:
            name, task, plan = self._queue[0]
            if not self.clock.has_begun(name) and not self.clock.is_time_for_another():
                self._late = True
                return None
            try:
                held = self._ledger.reserve(self.cap.tokens, self.cap.usd or 0.0, 0)
            except BudgetRefused as error:
                return error.cap
            self._queue.popleft()
            self.clock.begin(name)
            if self.cap.counted:
                self.file.begin(plan.name, name, self.cap.most)
            work: Awaitable[Result] = self.make(plan, name, task)
            self._running[asyncio.ensure_future(work)] = (name, task, plan, held)
        return None

    def _end(self, done: asyncio.Task[Result]) -> BaseException | None:
        """Keep what a run came to, or say what is wrong."""
        name, task, plan, held = self._running.pop(done)
        error = done.exception()
        if isinstance(error, WorkerLost):
            return self._again(error, (name, task, plan), held)
        if error is not None:
            self._ledger.release(held)
            return error
        result = done.result()
        self._ledger.settle(held, result.usage)
        if result.stop_reason.startswith("model:"):
            return ModelError(
                f"the model stopped answering ({result.stop_reason[6:]}) at task {name} under {plan.name}: "
                "run the same command again once it does"
            )
        outcome = Outcome.of(plan.name, name, result)
        self.file.add(outcome)
        self._left[name] -= 1
        if not self._left[name]:
            self.clock.done(name)
        if self.on_outcome is not None:
            self.on_outcome(outcome, result)
        return None

    def _again(self, error: WorkerLost, wanted: tuple[str, Task, Blueprint], held: Reservation) -> BaseException | None:
        """Count all that a lost run may have paid, and put it first."""
        name, _, plan = wanted
        self._ledger.settle(held, self.cap.most)
        self._lost[plan.name, name] += 1
        try:
            said = again(error, self._lost[plan.name, name], f"task {name} under {plan.name}")
        except WorkerFailed as cause:
            return cause
        self._queue.appendleft(wanted)
        if self.on_note is not None:
            self.on_note(said)
        return None


def dearest(models: Mapping[str, PolicyModel], tokens: int) -> float | None:
    """The most that so many tokens can cost with any of these models; `None` where a price is unknown."""
    rates: list[float] = []
    for model in models.values():
        if model.price is None:
            return None
        rates += [model.price.prompt, model.price.completion]
    return max(rates) * tokens / 1e6


def run_name(blueprint: str, task: str) -> str:
    """The name of a run: the same wherever and whenever it is made, so that its trace is."""
    return f"{blueprint}/{task}"
