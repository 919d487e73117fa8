"""Examples of designs on a Ray cluster: each worker builds its own models from their names, and makes runs with them.

The driver searches, keeps the account and the outcomes, and judges: a verifier that knows the right answer does not
leave it. A run leaves with caps of its own, which are reserved on the search's account until it is back, so that no cap
is exceeded wherever runs are made. Runs have the seeds that they have in one process, so outcomes are the same wherever
the models' replies depend on the request alone. What a worker had begun when it died, or when the search was killed, is
made again as a whole; all that it was allowed to pay counts as paid.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from typing_extensions import override

from reflectree.graphs.carry import carry_on
from reflectree.graphs.design_search.cache import Key, Made
from reflectree.graphs.design_search.designs import canonical
from reflectree.graphs.design_search.examples import Bench, Examples
from reflectree.graphs.design_search.settling import Unsettled, judged, left_of, problem_with
from reflectree.graphs.design_search.slots import Slots
from reflectree.graphs.result import Result
from reflectree.graphs.workers import WorkerFailed, WorkerLost, Workers, again
from reflectree.models.words import Named, build
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger, Reservation
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError, ReflectreeError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage

WORKERS = 2
"""Workers where nothing else is said."""
_CAPS = ("calls", "tokens", "usd")


class Worker:
    """What lives on a worker: the models, built once, and the runs made with them."""

    def __init__(self, models: Mapping[str, Named], bench: Bench) -> None:
        self._words = models
        self._bench = bench

    async def begin(self) -> ReflectreeError | None:
        """Build the models, or say why that cannot be done."""
        try:
            self._ready()
        except ReflectreeError as error:
            return error
        return None

    async def run(self, design: str, task: Task, seed: int, caps: Budget) -> tuple[Result | ReflectreeError, Usage]:
        """A finished run without its trace, or the error it ended with, and what was paid."""
        meter = Ledger(Budget())
        try:
            bench = replace(self._ready(), budget=caps)
            setup = bench.setup(Blueprint.parse(json.loads(design)), task.verifier, seed)
            result = await carry_on(setup, replace(task, verifier=None), None, f"example-{seed}", parent=meter)
        except ReflectreeError as error:
            return error, meter.spent
        return replace(result, trace=Trace.from_rows([], run_id=result.run_id)), meter.spent

    def _ready(self) -> Bench:
        if not self._bench.models:  # also in a worker that was begun anew
            self._bench = replace(self._bench, models={role: build(words) for role, words in self._words.items()})
        return self._bench


class Cluster:
    """Workers of a cluster; made by `Cluster.open`.

    Args:
        workers: The workers.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def __len__(self) -> int:
        return len(self._workers)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, models: Mapping[str, Any], bench: Bench, address: str = "local", workers: int = WORKERS
    ) -> AsyncIterator[Cluster]:
        """Workers that live as long as the block.

        Args:
            models: The models by role, in words.
            bench: What designs are run with on the driver; its own models stay there.
            address: The cluster's address; `local` begins one on this machine.
            workers: How many.

        Raises:
            BadInput: A model was given as an object, a worker cannot build one, or the cluster cannot be reached.
            MissingExtra: Ray is not installed.
        """
        objects = [role for role, model in models.items() if not isinstance(model, Named)]
        if objects:
            raise BadInput(f"runs on Ray build their models there: give {objects[0]} as a string, not as an object")
        if bench.memory is not None:
            raise BadInput("runs on Ray recall nothing: a memory lies on this machine; leave out one of the two")
        words = (dict(models), replace(bench, models={}))
        async with Workers.open(Worker, words, address, workers, "running designs elsewhere") as spread:
            yield cls(spread)

    async def run(
        self, design: Blueprint, task: Task, seed: int, caps: Budget, slots: int
    ) -> tuple[Result | ReflectreeError, Usage]:
        """A run on the worker that has least to do.

        Raises:
            WorkerLost: It died; what the run had paid is not known.
        """
        try:
            found: tuple[Result | ReflectreeError, Usage] = await self._workers.call(
                "run", canonical(design), task, seed, caps, weight=slots
            )
            return found
        except WorkerFailed as error:
            return error, Usage()


@dataclass
class SpreadExamples(Examples):
    """Runs designs on examples, on a cluster; each worker has `bench.width` calls in flight.

    Attributes:
        cluster: The workers.
        on_lost: Told of each run that was lost with its worker.
    """

    cluster: Cluster = field(kw_only=True)
    on_lost: Callable[[str], None] | None = None
    _away: int = 0
    _back: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.slots = Slots(self.bench.width * len(self.cluster))

    @override
    async def _run(self, design: Blueprint, task: Task, key: Key, account: Ledger, owner: str) -> Made | Unsettled:
        meter = Ledger(Budget(), parent=account)
        started = time.perf_counter()
        lost = 0
        while True:
            try:
                caps, held = await self._reserved(account)
            except BudgetRefused as error:
                return Unsettled(str(error), meter.spent, cap=error.cap)
            self._away += 1
            try:
                bare = task if task.verifier is None or not task.verifier.gold else replace(task, verifier=None)
                result, paid = await self.cluster.run(design, bare, key.seed, caps, self.bench.slots_of(design))
                break
            except WorkerLost as error:
                lost += 1
                self._lose(key, caps, account, owner)
                try:
                    self._say(again(error, lost, f"example {key.example}"))
                except WorkerFailed as cause:
                    self._say(str(error))
                    return _unsettled(cause, meter.spent)
            finally:
                account.release(held)
                self._away -= 1
                self._back.set()
        meter.take_over(paid)
        if isinstance(result, ReflectreeError):
            return _unsettled(result, meter.spent)
        own = self.bench.budget
        found = _cut(result, caps, own, meter.spent) or problem_with(result, own, account, meter)
        outcome = found or await judged(task, result.answer)
        if isinstance(outcome, str):
            return Unsettled(outcome, meter.spent)
        if isinstance(outcome, Unsettled):
            return outcome
        seconds = round(time.perf_counter() - started, 3)
        return Made(outcome, result.answer, result.stop_reason, result.usage, owner, seconds)

    @override
    def bound(self, cap: str) -> float:
        return float(getattr(self.bench.budget, cap) or 0)

    def _lose(self, key: Key, caps: Budget, account: Ledger, owner: str) -> None:
        """What a lost run had paid is not known: all that it was allowed to counts as paid."""
        most = Usage(caps.calls or 0, 0, caps.tokens or 0, 0, caps.usd or 0.0)
        account.take_over(most)
        self.cache.spill(key, owner, most, lost=True)

    def _say(self, text: str) -> None:
        if self.on_lost is not None:
            self.on_lost(text)

    async def _reserved(self, account: Ledger) -> tuple[Budget, Reservation]:
        """The caps of one run, held on the account; where they do not fit, others come back first.

        Raises:
            BudgetRefused: Nothing is left.
            BadInput: The account has a cap that one example has not.
        """
        own = self.bench.budget
        capped = [cap for cap in _CAPS if getattr(account.budget, cap) is not None]
        for cap in capped:
            if getattr(own, cap) is None:
                raise BadInput(
                    f"the search has a cap on {cap} and one example has none: runs on Ray reserve theirs beforehand; "
                    f"give example_budget=Budget({cap}=...), too"
                )
        own = replace(own, seconds=_least(own.seconds, account.seconds_left))
        while True:
            try:
                return own, _hold(account, own, capped)
            except BudgetRefused:
                if not self._away:
                    own = replace(own, **{cap: _least(getattr(own, cap), left_of(account, cap)) for cap in capped})
                    return own, _hold(account, own, capped)
                self._back.clear()
                await self._back.wait()


def _hold(account: Ledger, caps: Budget, capped: list[str]) -> Reservation:
    most = {cap: getattr(caps, cap) if cap in capped else 0 for cap in _CAPS}
    for cap in capped:
        if most[cap] <= 0:
            raise BudgetRefused(cap)
    return account.reserve(**{name: int(most[name]) for name in ("tokens", "calls")}, usd=float(most["usd"]))


def _least(first: float | None, second: float | None) -> Any:
    given = [value for value in (first, second) if value is not None]
    return min(given, default=None)


def _unsettled(error: ReflectreeError, paid: Usage) -> Unsettled:
    """What a worker's error means for the evaluation."""
    if isinstance(error, BudgetRefused):
        return Unsettled(str(error), paid, cap=error.cap)
    return Unsettled(str(error), paid, error=error if isinstance(error, ModelError) else ModelError(str(error)))


def _cut(result: Result, caps: Budget, own: Budget, paid: Usage) -> Unsettled | None:
    """Whether a run was ended by a cap that was less than an example's own."""
    cap = result.stop_reason.removeprefix("budget:")
    if cap == result.stop_reason or getattr(caps, cap) == getattr(own, cap):
        return None
    return Unsettled(f"the search's budget of {cap} did not reach", paid, cap=cap)


__all__ = ["WORKERS", "Cluster", "SpreadExamples", "Worker", "build"]
