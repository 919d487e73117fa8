"""One design on one example: a nested run on the search's account, judged after its end, and kept.

The verifier is asked once the run is over; one that knows the right answer is never given to the run. Where the budget
runs low, runs wait for each other; one that came to nothing is `Unsettled`, and what it paid stays on the bill.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from reflectree.graphs.carry import carry_on
from reflectree.graphs.design_search.cache import Cache, Key, Made
from reflectree.graphs.design_search.room import Meter, Room
from reflectree.graphs.design_search.settling import Unsettled, judged, problem_with
from reflectree.graphs.design_search.slots import Slots
from reflectree.graphs.design_search.splits import example_id
from reflectree.graphs.preparing import prepare
from reflectree.graphs.setup import Setup
from reflectree.models.calling import Retries
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BudgetRefused, ModelError
from reflectree.rlm_ops.task import Task, Verifier
from reflectree.rlm_ops.usage import NO_USAGE

EXAMPLE = Budget(calls=64)
"""What one example may cost where nothing else is said: designs that search until a cap need one."""


@dataclass(frozen=True)
class Bench:
    """What designs are run with: the same for all, or their scores could not be compared.

    Attributes:
        models: The models by role, resolved; `policy` is among them.
        tools: The tools granted.
        memory: What runs recall from; they never write.
        budget: Caps of one example.
        width: Calls in flight at once, over all examples together.
        seed: The seed from which the examples' own follow: it is the same for all designs.
        retries: How transient faults are tried again.
    """

    models: Mapping[str, Any]
    tools: Sequence[Any] = ()
    memory: Any = None
    budget: Budget = EXAMPLE
    width: int = 8
    seed: int = 0
    retries: Retries | None = None

    @property
    def name(self) -> str:
        """What outcomes depend on beside design, example and seed."""
        roles = {role: model.name for role, model in sorted(self.models.items())}
        caps = [self.budget.calls, self.budget.tokens, self.budget.usd, self.budget.seconds]
        return json.dumps([roles, caps], sort_keys=True)

    def seed_of(self, example: str) -> int:
        """The seed of an example's run."""
        return zlib.crc32(f"{self.seed}:{example}".encode()) & 0x7FFFFFFF

    def slots_of(self, design: Blueprint) -> int:
        """Calls that one run of a design has in flight at most: as many as its first step can make use of."""
        limits = design.scheme.strategy.limits()
        return max(1, min(max(limits.root_width, limits.width), self.width))

    def setup(self, design: Blueprint, verifier: Verifier | None, seed: int = 0) -> Setup:
        """The set-up of one run.

        Raises:
            BadInput: The design needs what there is not.
        """
        others = {role: model for role, model in self.models.items() if role not in ("policy", "judge")}
        return prepare(
            design,
            self.models["policy"],
            judge=self.models.get("judge"),
            models=others,
            verifier=None if verifier is None or verifier.gold else verifier,
            tools=self.tools,
            memory=self.memory,
            budget=self.budget,
            concurrency=self.slots_of(design),
            seed=seed,
            retries=self.retries,
        )


@dataclass
class Examples:
    """Runs designs on examples, each at most once at a time, and keeps what they come to.

    Attributes:
        bench: What designs are run with.
        cache: Where outcomes are kept.
        saver: Where runs of more than one sample are checkpointed, so that a killed one goes on.
        paid: Examples that were run now, and `found` those that were known.
        on_example: Told of each outcome that was run now.
        room: What the runs under way may hold of a budget together.
    """

    bench: Bench
    cache: Cache
    saver: BaseCheckpointSaver[Any] | None = None
    paid: int = 0
    found: int = 0
    on_example: Callable[[Made], None] | None = None
    room: Room = field(default_factory=Room)
    _locks: dict[Key, asyncio.Lock] = field(default_factory=dict)
    _met: set[tuple[Key, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.slots = Slots(self.bench.width)
        self._bench = self.bench.name

    def key(self, design: Blueprint, task: Task) -> Key:
        """The key of an outcome."""
        name = example_id(task)
        return Key(design.digest, name, self._bench, self.bench.seed_of(name))

    def bound(self, cap: str) -> float:
        """What a cap has to have left beside what runs cost, so that a call is not refused: the most that one held."""
        return {"tokens": self.room.tokens, "usd": self.room.usd}.get(cap, 0)

    async def run(self, design: Blueprint, task: Task, account: Ledger, owner: str) -> Made | Unsettled:
        """What a design makes of an example.

        Args:
            design: The design.
            task: The example.
            account: The search's account.
            owner: The evaluation that asks. What it paid for before it was killed is counted as its own; what others
                paid for costs nothing, and the outcome's usage says so.
        """
        key = self.key(design, task)
        async with self._locks.setdefault(key, asyncio.Lock()):
            self._take_over(key, owner, account)
            known = self.cache.get(key)
            if known is not None:
                self.found += 1
                return self._of(known, key, owner)
            made = await self._within(design, task, key, account, owner)
            if isinstance(made, Unsettled):
                if made.saved:
                    return replace(made, usage=made.usage + self.cache.spilt(key, owner))
                if made.usage:
                    self.cache.spill(key, owner, made.usage)
                return replace(made, usage=self.cache.spilt(key, owner))
            self.paid += 1
            self.cache.put(key, made)
            await self._forget(design, key, owner)
            if self.on_example is not None:
                self.on_example(made)
            return self._of(made, key, owner)

    def _of(self, made: Made, key: Key, owner: str) -> Made:
        """An outcome as it is on the bill of an evaluation."""
        own = made.usage if made.owner == owner else NO_USAGE
        return replace(made, usage=own, spilt=self.cache.spilt(key, owner))

    def _take_over(self, key: Key, owner: str, account: Ledger) -> None:
        """Put on the account what this very evaluation paid for an example in a process that is gone."""
        if (key, owner) in self._met:
            return
        self._met.add((key, owner))
        known, spilt = self.cache.get(key), self.cache.spilt(key, owner)
        if known is not None and known.owner == owner:
            account.take_over(known.usage)
        if spilt:
            account.take_over(spilt)

    async def _within(self, design: Blueprint, task: Task, key: Key, account: Ledger, owner: str) -> Made | Unsettled:
        """Run it once there is room; where a cap refuses it beside others, once more alone."""
        calls = self.bench.slots_of(design)
        async with self.slots.take(calls), self.room.take(account, calls):
            made = await self._run(design, task, key, account, owner)
        if isinstance(made, Made) or not made.cap or made.usage:
            return made  # a refused run that has paid something has ended: what it did is not to be paid again
        async with self.slots.take(self.slots.total):
            return await self._run(design, task, key, account, owner)

    async def _run(self, design: Blueprint, task: Task, key: Key, account: Ledger, owner: str) -> Made | Unsettled:
        """Run it now."""
        meter = Meter(account)
        started = time.perf_counter()
        saver = self._saver(design)
        bare = replace(task, verifier=None)
        try:
            setup = self.bench.setup(design, task.verifier, key.seed)
            work = carry_on(setup, bare, saver, _thread(key, owner), parent=meter)
            # in a context of its own: LangGraph would otherwise take it for a part of the superstep that started it
            result = await asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        except BudgetRefused as error:
            return Unsettled(str(error), meter.spent, cap=error.cap, saved=saver is not None)
        except ModelError as error:
            return Unsettled(str(error), meter.spent, error=error, saved=saver is not None)
        finally:
            self.room.learn(meter)
        found = problem_with(result, self.bench.budget, account, meter) or await judged(task, result.answer)
        if isinstance(found, str):
            found = Unsettled(found, meter.spent)
        if isinstance(found, Unsettled):
            await self._forget(design, key, owner)  # the run has ended as it has: tried again, it begins anew
            return found
        seconds = round(time.perf_counter() - started, 3)
        return Made(found, result.answer, result.stop_reason, result.usage, owner, seconds)

    def _saver(self, design: Blueprint) -> BaseCheckpointSaver[Any] | None:
        """Where a run of a design is checkpointed: one sample is not worth it."""
        return None if design.scheme.strategy.name == "cot" else self.saver

    async def _forget(self, design: Blueprint, key: Key, owner: str) -> None:
        """Delete the checkpoint of a run that has ended."""
        saver = self._saver(design)
        if saver is not None:
            await saver.adelete_thread(_thread(key, owner))


def _thread(key: Key, owner: str) -> str:
    """The name of a run in its checkpoint."""
    return f"{owner}/{key.design}/{key.example}"
