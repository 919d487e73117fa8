"""The calls of one run that are in flight, and what has come of those that settled.

Calls are begun in groups, as one request each, and stay here until they settle or time is up. Which calls are begun is
the strategy's affair; what they settle to stands in the trace once `reflectree.graphs.live` has handed it over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from reflectree.agents.base import Agent, AgentRun
from reflectree.rlm_ops.budget import Ledger
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import BudgetRefused, ModelError
from reflectree.rlm_ops.events import Event, Failed, Row, to_row
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.usage import NO_USAGE, Usage, total_of_rows


class Pool:
    """Carries out calls side by side.

    Args:
        structure: The run's structure, only read here.
        ledger: Its account.
        slots: Calls in flight at once.
        linger: Seconds in which calls that settle together are gathered into one superstep.

    Attributes:
        fatal: Why no model can be called any more.
        refused_cap: The cap of the budget that kept the latest calls from being sent, while asking for more is in vain.
        eager: Whether there is more to ask for at once, so that nothing is waited for.
    """

    def __init__(self, structure: ReasoningStructure, ledger: Ledger, *, slots: int, linger: float) -> None:
        self.fatal: ModelError | None = None
        self.refused_cap: str | None = None
        self.eager = False
        self._structure = structure
        self._ledger = ledger
        self._slots = slots
        self._linger = linger
        self._tasks: dict[asyncio.Task[None], list[Call]] = {}
        self._busy: Counter[str] = Counter()
        self._settled: dict[str, list[Row]] = {}
        self._refused: list[Call] = []
        self._freed = False
        """Whether a call has settled since the last refusal, so that asking again may do better."""
        self._wake = asyncio.Event()
        self._error: BaseException | None = None

    # What the controller does

    def begin_turn(self) -> None:
        """From now on, only what this turn asks for may keep it from waiting.

        Raises:
            Exception: An agent has a defect.
        """
        if self._error is not None:
            raise self._error
        self._wake.clear()
        self.eager = False

    def take_refused(self) -> list[Call]:
        """The calls that were not sent, to be asked for again."""
        refused, self._refused = self._refused, []
        if self.refused_cap is not None and (not refused or self._freed):
            self.refused_cap = None
        return refused

    @property
    def free(self) -> int:
        """Free slots. What has settled and not been handed over is not saved either: it holds its slot."""
        return self._slots - self._busy.total() - sum(map(len, self._settled.values()))

    def awaits(self, op: Operator) -> bool:
        """Whether calls of an operator are in flight, or have settled and not been handed over."""
        return self._busy[op] > 0 or bool(self._settled.get(op))

    # What agents' nodes do

    async def work(self, agent: Agent, calls: Sequence[Call], run: AgentRun) -> list[Row]:
        """Start a batch, wait until something has settled, and hand over what this agent's calls came to."""
        for group in agent.groups(calls) if calls else ():
            self._busy[agent.op] += len(group)
            self._tasks[asyncio.create_task(self._carry_out(agent, group, run))] = group
        await self._something_settled()
        return self._settled.pop(agent.op, [])

    async def _something_settled(self) -> None:
        if self.eager or not self._tasks:
            return
        if not self._settled and not self._wake.is_set():
            try:
                async with asyncio.timeout(self._ledger.seconds_left):
                    await self._wake.wait()
            except TimeoutError:
                self._cut()
                return
        if self._linger and self._tasks:
            await asyncio.sleep(self._linger)

    async def _carry_out(self, agent: Agent, group: list[Call], run: AgentRun) -> None:
        task = asyncio.current_task()
        try:
            events = await self._what_fits(agent, group, run)
            if task in self._tasks:  # `_cut` has settled the calls of a client that answers though it was cancelled
                # only now: the list may be handed over while this call is awaited
                self._settled.setdefault(agent.op, []).extend(map(to_row, events))
                self._freed = True
        except BudgetRefused as error:
            self._refused.extend(group)
            self.refused_cap = error.cap
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

    async def _what_fits(self, agent: Agent, group: list[Call], run: AgentRun) -> list[Event]:
        """Carry out a group, or as much of it as the budget allows; the rest is asked for again.

        Raises:
            BudgetRefused: Not even one call is allowed.
        """
        count = len(group)
        while True:
            try:
                events = await agent.carry_out(group[:count], run)
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
        billed, spent = self._structure.usage + total_of_rows(rows), self._ledger.spent
        calls = max(0, spent.calls - billed.calls) + self._ledger.calls_held
        unknown = spent.usd is None or billed.usd is None
        return Usage(
            calls,
            calls,
            max(0, spent.prompt_tokens - billed.prompt_tokens),
            max(0, spent.completion_tokens - billed.completion_tokens),
            None if unknown else max(0.0, (spent.usd or 0.0) - (billed.usd or 0.0)),
        )

    def close(self) -> None:
        """Cancel whatever is in flight."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
