"""A run while it lives in this process: its structure, its budget, and its pool of calls in flight.

None of it is saved. Everything here is rebuilt from the trace when it is absent, or when the trace is not the
continuation of what it holds (resume, fork, time travel).
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from reflectree.agents.base import Agent
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Caller, Retries
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.errors import BudgetRefused, ModelError, ReflectreeError
from reflectree.rlm_ops.events import Answered, Event, Failed, Row, from_row, to_row
from reflectree.rlm_ops.operators import PURE_OPERATORS
from reflectree.rlm_ops.reflected import Reflected
from reflectree.rlm_ops.strategies import Strategy
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.trace import number
from reflectree.rlm_ops.usage import NO_USAGE, Usage, total_of_rows

OnEvent = Callable[[Event, ReasoningStructure], None]


class LiveRun:
    """One run's working memory.

    Args:
        agents: The agents by operator.
        models: The models by role; `judge` falls back on `policy`.
        strategy: What asks for calls.
        budget: The caps.
        concurrency: Slots: calls in flight at once.
        seed: The run's seed.
        rows: The trace so far.
        elapsed: Seconds spent before, where the run is resumed.
        linger: Seconds in which calls that settle together are gathered into one superstep.
        parent: The account of the run this one is nested in.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent],
        models: Mapping[str, PolicyModel],
        strategy: Strategy,
        budget: Budget,
        *,
        concurrency: int,
        seed: int,
        rows: Sequence[Row],
        elapsed: float = 0.0,
        retries: Retries | None = None,
        linger: float = 0.001,
        on_event: OnEvent | None = None,
        parent: Ledger | None = None,
    ) -> None:
        self.structure = ReasoningStructure()
        self.seed = seed
        self.on_event = None
        self._agents = agents
        self._strategy = strategy
        self._concurrency = concurrency
        self._linger = linger
        self.turn = ""
        """Names the latest batches: a `Send` of another turn, or of another branch of the thread, is not its own."""
        self._name = uuid.uuid4().hex[:8]
        self._turns = itertools.count()
        self._taken: set[str] = set()
        self._rows: Sequence[Row] = ()
        self._folded = 0
        self._ahead: list[Row] = []
        self._handed = 0
        self.fold(rows)
        self.on_event = on_event
        if len(rows) == 1:  # a fresh run: its first event has not been shown yet, those of a resumed one have
            self._tell(from_row(rows[0]))
        self.ledger = Ledger(budget, spent=self.structure.usage, elapsed=elapsed, parent=parent)
        self._callers = {role: Caller(model, self.ledger, retries) for role, model in models.items()}
        self._tasks: dict[asyncio.Task[None], list[Call]] = {}
        self._busy: Counter[str] = Counter()
        self._settled: dict[str, list[Row]] = {}
        self._refused: list[Call] = []
        self._refused_cap: str | None = None
        self._freed = False
        """Whether a call has settled since the last refusal, so that asking again may do better."""
        self._wake = asyncio.Event()
        self._eager = False
        self.fatal: ModelError | None = None
        self._error: BaseException | None = None

    # What agents see (AgentRun)

    def caller(self, role: str) -> Caller:
        """The way to call the model of a role; the policy takes every role nobody else has."""
        return self._callers.get(role) or self._callers["policy"]

    # What the controller does

    def continues(self, rows: Sequence[Row]) -> bool:
        """Whether `rows` is the continuation of what this run holds.

        They begin with the rows it folded (the very same objects, unless they were reloaded from a checkpoint), and
        the rows of the pure operators it applied ahead of the trace and those it handed over have arrived.
        """
        folded, ahead = self._folded, len(self._ahead)
        if not 0 < folded <= len(rows) - ahead - self._handed:
            return False
        if rows[folded - 1] is not self._rows[folded - 1] and list(rows[:folded]) != list(self._rows[:folded]):
            return False
        return list(rows[folded : folded + ahead]) == self._ahead

    def takes(self, part: str, turn: str) -> bool:
        """Whether `part` of a turn is this run's to do: it is of the latest one, and was not done before."""
        if turn != self.turn or part in self._taken:
            return False
        self._taken.add(part)
        return True

    @property
    def ahead(self) -> list[Row]:
        """The rows of pure operators that it has applied and that are not in the trace yet."""
        return list(self._ahead)

    def unseen(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows that came since the last turn; in a fresh run's first turn, its task."""
        return rows if len(rows) == 1 else rows[self._folded :]

    def fold(self, rows: Sequence[Row]) -> None:
        """Fold in the rows the structure does not hold yet, and show them."""
        for row in rows[self.structure.applied :]:
            self._show(from_row(row))
        self._ahead.clear()
        self._handed = 0
        self._rows = rows
        self._folded = len(rows)

    def _show(self, event: Event) -> None:
        self.structure.apply(event)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        if self.on_event is not None:
            self.on_event(event, self.structure)

    def advance(self, rows: Sequence[Row]) -> tuple[list[Row], dict[str, list[Call]], str | None]:
        """One turn of the outer search.

        Args:
            rows: The trace.

        Returns:
            The rows of the pure operators it applied, the calls for each operator's agent (an empty batch where calls
            are only waited for), and why the run ends, once it does: then there are no calls.

        Raises:
            ModelError: The run cannot go on, and it has no answer to end with.
        """
        if self._error is not None:
            raise self._error
        self._wake.clear()
        self.begin_turn(rows)
        self._eager = False  # only what this turn asks for may keep it from waiting
        for call in self._refused:
            self.structure.cancel(call)
        refused = bool(self._refused)
        self._refused.clear()
        if self._refused_cap is not None and (not refused or self._freed):
            self._refused_cap = None
        reason = self._reason()
        pure, batches = ([], {}) if reason else self._ask()
        for op in self._agents:
            if self._busy[op] or self._settled.get(op):
                batches.setdefault(op, [])
        if batches:
            return pure, batches, None
        if self.fatal is not None and not self.structure.terminals:
            raise self.fatal
        if reason is None:  # pure operators may have been the last there was to do
            cap = f"budget:{self._refused_cap}" if self._refused_cap else None
            reason = cap or self._strategy.stop(self.structure) or "complete"
        return pure, {}, reason

    def begin_turn(self, rows: Sequence[Row]) -> None:
        """Fold in the trace, and let only what is sent from now on be done."""
        self.fold(rows)
        self.turn = f"{self._name}.{next(self._turns)}"
        self._taken.clear()

    def _reason(self) -> str | None:
        """Why nothing more should be asked for, whatever is still in flight."""
        if self.fatal is not None:
            return f"model:{type(self.fatal).__name__}"
        if self.ledger.seconds_left == 0.0:
            return "budget:seconds"
        return self._strategy.stop(self.structure)

    def _ask(self) -> tuple[list[Row], dict[str, list[Call]]]:
        structure = self.structure
        batches: dict[str, list[Call]] = {}
        pure: list[Row] = []
        # what has settled and not been handed over is not saved either: it holds its slot
        free = self._concurrency - self._busy.total() - sum(map(len, self._settled.values()))
        local = False
        while True:
            calls = self._strategy.ask(structure, free)
            if calls and calls[0].op in PURE:
                pure.extend(self._apply(calls))
                continue
            unknown = next((call.op for call in calls if call.op not in self._agents), None)
            if unknown is not None:
                raise ReflectreeError(
                    f"strategy {self._strategy.name} asks for {unknown}, which is not among what it says it uses"
                )
            calls = [call for call in calls if self._agents[call.op].local or self._refused_cap is None]
            if not calls:
                break
            for call in calls:
                structure.begin(call)
                batches.setdefault(call.op, []).append(call)
                if self._agents[call.op].local:
                    local = True
                else:
                    free -= 1
        self._eager = local and free > 0
        return pure, batches

    def _apply(self, calls: Sequence[Call]) -> list[Row]:
        """Apply pure operators to the structure at once; their rows go to the trace with the controller's update."""
        fresh: list[Row] = []
        for call in calls:  # one after the other: the ids a call gives its nodes follow from those before
            rows = [to_row(event) for event in PURE_OPERATORS[call.op](self.structure, call)]
            numbered = number(rows, self.structure.applied, len(self.structure))
            for row in numbered:
                self._show(from_row(row))
            self._ahead += numbered
            fresh += rows
        if not fresh:
            raise ReflectreeError(f"strategy {self._strategy.name} asks for {calls[0].op}, which changes nothing")
        return fresh

    # What agents' nodes do

    async def work(self, op: str, calls: Sequence[Call]) -> list[Row]:
        """Start a batch, wait until something has settled, and hand over what this operator's calls came to."""
        agent = self._agents[op]
        if agent.local:
            rows = [to_row(agent.act(call, self)) for call in calls]
        else:
            for group in agent.groups(calls) if calls else ():
                self._start(agent, group)
            await self._something_settled()
            rows = self._settled.pop(op, [])
        self._handed += len(rows)
        return rows

    def _start(self, agent: Agent, group: list[Call]) -> None:
        self._busy[agent.op] += len(group)
        self._tasks[asyncio.create_task(self._carry_out(agent, group))] = group

    async def _something_settled(self) -> None:
        if self._eager or not self._tasks:
            return
        if not self._settled and not self._wake.is_set():
            try:
                async with asyncio.timeout(self.ledger.seconds_left):
                    await self._wake.wait()
            except TimeoutError:
                self._cut()
                return
        if self._linger and self._tasks:
            await asyncio.sleep(self._linger)

    async def _carry_out(self, agent: Agent, group: list[Call]) -> None:
        task = asyncio.current_task()
        try:
            events = await self._what_fits(agent, group)
            if task in self._tasks:  # `_cut` has settled the calls of a client that answers though it was cancelled
                # only now: the list may be handed over while this call is awaited
                self._settled.setdefault(agent.op, []).extend(map(to_row, events))
                self._freed = True
        except BudgetRefused as error:
            self._refused.extend(group)
            self._refused_cap = error.cap
            self._freed = False
        except ModelError as error:
            self._refused.extend(group)
            self.fatal = self.fatal or error
        except Exception as error:  # a defect in an agent: shown by the controller, never swallowed
            self._error = error
        finally:
            # `_cut` has already accounted for the calls it cancelled
            if task is not None and self._tasks.pop(task, None) is not None:
                self._busy[agent.op] -= len(group)
                self._wake.set()

    async def _what_fits(self, agent: Agent, group: list[Call]) -> list[Event]:
        """Carry out a group, or as much of it as the budget allows; the rest is asked for again.

        Raises:
            BudgetRefused: Not even one call is allowed.
        """
        count = len(group)
        while True:
            try:
                events = await agent.carry_out(group[:count], self)
            except BudgetRefused:
                if count == 1:
                    raise
                count //= 2
            else:
                self._refused.extend(group[count:])
                return events

    def _cut(self) -> None:
        """Out of time: give up the calls in flight. They may have been paid, so they stay on the bill."""
        usage = self._unbilled()
        for task, group in self._tasks.items():
            task.cancel()
            for call in group:
                self._busy[call.op] -= 1
                event = Failed(
                    of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason="cut: out of time", usage=usage
                )
                self._settled.setdefault(call.op, []).append(to_row(event))
                usage = NO_USAGE  # the bill of all stands on the first
        self._tasks.clear()
        self._wake.set()

    def _unbilled(self) -> Usage:
        """What calls that no event tells of have cost: the attempts in flight, and those before them."""
        rows = [row["usage"] for rows in self._settled.values() for row in rows if "usage" in row]
        billed, spent = self.structure.usage + total_of_rows(rows), self.ledger.spent
        calls = max(0, spent.calls - billed.calls) + self.ledger.calls_held
        unknown = spent.usd is None or billed.usd is None
        return Usage(
            calls,
            calls,
            max(0, spent.prompt_tokens - billed.prompt_tokens),
            max(0, spent.completion_tokens - billed.completion_tokens),
            None if unknown else max(0.0, (spent.usd or 0.0) - (billed.usd or 0.0)),
        )

    def end(self, event: Answered | Reflected | Failed) -> None:
        """Show one of the last events: what was learnt, and the answer."""
        self._show(replace(event, seq=self.structure.applied))

    def close(self) -> None:
        """Cancel whatever is in flight."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()


class LiveRuns:
    """The live runs of one compiled graph, by key."""

    def __init__(self, make: Callable[[Sequence[Row], float], LiveRun]) -> None:
        self._make = make
        self._runs: dict[str, LiveRun] = {}

    def join(self, key: str, rows: Sequence[Row], elapsed: float) -> LiveRun:
        """The run of a key, made anew from the trace where it is absent or holds something else."""
        run = self._runs.get(key)
        if run is None or not run.continues(rows):
            self.drop(key)
            run = self._runs[key] = self._make(rows, elapsed)
        return run

    def get(self, key: str) -> LiveRun | None:
        """The run of a key, if it lives in this process."""
        return self._runs.get(key)

    def close(self) -> None:
        """Drop them all."""
        for key in list(self._runs):
            self.drop(key)

    def drop(self, key: str) -> None:
        """Forget a run and cancel what it has in flight."""
        run = self._runs.pop(key, None)
        if run is not None:
            run.close()
