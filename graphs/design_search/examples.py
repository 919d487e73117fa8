"""One design on one example: a nested run on the search's account, judged after its end, and kept.

The verifier is asked once the run is over; one that knows the right answer is never given to the run. An example that
came to nothing for want of budget, model or verifier is `Unsettled`: that is no wrong answer.
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

from reflectree.agents.evaluators.base import ScoreError, checked
from reflectree.agents.evaluators.verifying import runs_tests
from reflectree.graphs.carry import carry_on
from reflectree.graphs.design_search.cache import Cache, Key, Made
from reflectree.graphs.design_search.slots import Slots
from reflectree.graphs.design_search.splits import example_id
from reflectree.graphs.preparing import prepare
from reflectree.graphs.result import Result
from reflectree.graphs.setup import Setup
from reflectree.models.calling import Retries
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BudgetRefused, ModelError, VerifierError
from reflectree.rlm_ops.task import Task, Verifier
from reflectree.rlm_ops.usage import Usage

EXAMPLE = Budget(calls=64)
"""What one example may cost where nothing else is said: designs that search until a cap need one."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An example that came to nothing, and why; it is tried again when its evaluation is.

    Attributes:
        cap: The cap of the search's budget that refused it, where one did.
        error: The model's error, where it is one that every other call would meet, too.
    """

    reason: str
    usage: Usage
    cap: str = ""
    error: ModelError | None = None


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
    """

    bench: Bench
    cache: Cache
    saver: BaseCheckpointSaver[Any] | None = None
    paid: int = 0
    found: int = 0
    on_example: Callable[[Made], None] | None = None
    _locks: dict[Key, asyncio.Lock] = field(default_factory=dict)
    _here: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.slots = Slots(self.bench.width)
        self._bench = self.bench.name

    def key(self, design: Blueprint, task: Task) -> Key:
        """The key of an outcome."""
        name = example_id(task)
        return Key(design.digest, name, self._bench, self.bench.seed_of(name))

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
            known = self.cache.get(key)
            if known is not None:
                self.found += 1
                if known.owner != owner:
                    return replace(known, usage=Usage())
                if key not in self._here:  # paid by this very evaluation in a process that was killed
                    self._here.add(key)
                    account.take_over(known.usage)
                return known
            async with self.slots.take(self.bench.slots_of(design)):
                made = await self._run(design, task, key, account, owner)
            if isinstance(made, Made):
                self.paid += 1
                self._here.add(key)
                self.cache.put(key, made)
                if self.on_example is not None:
                    self.on_example(made)
            return made

    async def _run(self, design: Blueprint, task: Task, key: Key, account: Ledger, owner: str) -> Made | Unsettled:
        """Run it now."""
        meter = Ledger(Budget(), parent=account)
        started = time.perf_counter()
        name = f"{owner}/{key.design}/{key.example}"
        saver = None if design.scheme.strategy.name == "cot" else self.saver
        bare = replace(task, verifier=None)
        try:
            setup = self.bench.setup(design, task.verifier, key.seed)
            work = carry_on(setup, bare, saver, name, parent=meter)
            # in a context of its own: LangGraph would otherwise take it for a part of the superstep that started it
            result = await asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        except BudgetRefused as error:
            return Unsettled(str(error), meter.spent, cap=error.cap)
        except ModelError as error:
            return Unsettled(str(error), meter.spent, error=error)
        problem = _problem(result, self.bench.budget, account, meter)
        if problem is not None:
            return problem
        score = await _judged(task, result.answer)
        if isinstance(score, str):
            return Unsettled(score, meter.spent)
        if saver is not None:
            await saver.adelete_thread(name)
        seconds = round(time.perf_counter() - started, 3)
        return Made(score, result.answer, result.stop_reason, result.usage, owner, seconds)


def _problem(result: Result, own: Budget, account: Ledger, meter: Ledger) -> Unsettled | None:
    """Why a run that has ended says nothing about its design: the search's budget or a model's fault cut it short."""
    reason = result.stop_reason
    if reason.startswith("model:"):
        return Unsettled(f"the model failed ({reason[6:]})", meter.spent)
    if reason.startswith("budget:"):
        cap = reason[7:]
        if _search_is_short(cap, own, account, meter):
            return Unsettled(f"the search's budget of {cap} did not reach", meter.spent, cap=cap)
    if result.answer is None and not result.nodes:
        return Unsettled("no reply could be used", meter.spent)
    return None


def _search_is_short(cap: str, own: Budget, account: Ledger, meter: Ledger) -> bool:
    """Whether it was the search's cap that ended a run, and not the example's own."""
    limit: float | None = getattr(own, cap)
    if limit is None:
        return True
    left = _left(account, cap)
    used = meter.elapsed if cap == "seconds" else float(getattr(meter.spent, cap) or 0)
    return left is not None and left < limit - used


def _left(account: Ledger, cap: str) -> float | None:
    """What an account has left; `None` without a cap."""
    if cap == "seconds":
        return account.seconds_left
    limit: float | None = getattr(account.budget, cap)
    return None if limit is None else limit - float(getattr(account.spent, cap) or 0)


async def _judged(task: Task, answer: str | None) -> float | str:
    """The score of an answer, or why there is none. No answer at the end of a whole run is worth nothing."""
    verifier = task.verifier
    assert verifier is not None  # splits saw to it
    if answer is None:
        return 0.0
    try:
        if runs_tests(verifier):
            return checked(await asyncio.to_thread(verifier.score, answer))
        return checked(verifier.score(answer))
    except (VerifierError, ScoreError) as error:
        return f"the verifier could not judge ({error})"
    except Exception as error:  # the boundary to a user's verifier
        return f"the verifier could not judge ({type(error).__name__}: {error})"
