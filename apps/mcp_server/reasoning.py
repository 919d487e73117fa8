"""A question reasoned about for a client: begun within the server's limits, reported on, ended when the client leaves.

It knows nothing of the protocol: what a tool's arguments are and how an answer is told is in `tools`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio

from reflectree.apps.mcp_server.offer import Offer
from reflectree.apps.mcp_server.reporting import Report, Reporter
from reflectree.apps.mcp_server.runs import Run, Runs
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ReflectreeError
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Task

_PATIENCE = 10.0
"""Seconds a run that was cancelled may take to let go of what it holds."""

logger = logging.getLogger(__name__)


class Ended(ReflectreeError):
    """The server ended before the run did."""


class HungUp(ReflectreeError):
    """Whoever asked has gone; nobody reads the answer."""


class Reasoner:
    """Carries out runs.

    Args:
        offer: What clients may ask for.
        runs: Where runs are kept.

    Attributes:
        offer: As given.
        runs: As given.
    """

    def __init__(self, offer: Offer, runs: Runs | None = None) -> None:
        self.offer = offer
        self.runs = runs if runs is not None else Runs()
        self._under_way: set[asyncio.Task[Result]] = set()

    @property
    def in_flight(self) -> int:
        """Runs under way."""
        return len(self._under_way)

    async def reason(
        self, task: Task, blueprint: Blueprint, budget: Budget, report: Report, gone: asyncio.Event | None = None
    ) -> Result:
        """Reason until there is an answer or the budget ends; a caller that is cancelled ends the run's calls.

        Args:
            task: What is asked.
            blueprint: With which system.
            budget: Its caps.
            report: Tells the client how far it is.
            gone: Set once the client has hung up.

        Raises:
            BadInput: Too many runs are under way.
            HungUp: The client has gone.
            Ended: The server is closed meanwhile.
            ReflectreeError: What `asolve` raises.
        """
        if self.in_flight >= self.offer.runs:
            raise BadInput(f"this server is busy with {self.in_flight} questions, its most: ask again later")
        run = self.runs.begin()
        caps = [cap for cap in (budget.calls, blueprint.budget.calls) if cap is not None]
        total = min(caps, default=None)
        reporter = Reporter(report, total, f"run {run.run_id} begins: {blueprint.name}")
        work = asyncio.create_task(self._solve(run, reporter, task, blueprint, budget), name=f"run {run.run_id}")
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        telling = asyncio.create_task(_told(reporter))
        leaving = asyncio.create_task(_never() if gone is None else _set(gone))
        try:
            await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise HungUp("the client hung up")
            if work.cancelled():
                raise Ended("the server ended before there was an answer: ask another")
            return work.result()
        finally:
            await _let_go(work, telling, leaving)

    async def aclose(self) -> None:
        """End every run that is under way."""
        if self._under_way:
            await _let_go(*self._under_way)

    async def _solve(self, run: Run, reporter: Reporter, task: Task, blueprint: Blueprint, budget: Budget) -> Result:
        def on_event(event: Event, structure: ReasoningStructure) -> None:
            run.on_event(event, structure)
            reporter.on_event(event, structure)

        options: dict[str, Any] = {**self.offer.given, "budget": budget}
        if self.runs.saver is not None:
            options["checkpoint"] = self.runs.saver()
        return await asolve(task, blueprint=blueprint, run_id=run.run_id, on_event=on_event, **options)


async def _told(reporter: Reporter) -> None:
    """Report until cancelled; a client that no longer listens is no reason to end the run here."""
    try:
        await reporter.send()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
        logger.debug("progress is no longer sent: %r", error)


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _never() -> None:
    await asyncio.Event().wait()


async def _let_go(*tasks: asyncio.Task[Any]) -> None:
    """Cancel what is not done and wait for its end, even where this very call is being cancelled."""
    for task in tasks:
        task.cancel()
    # The protocol's library cancels again at every await: what a run does at its end must not be cut.
    with anyio.CancelScope(shield=True):
        await asyncio.wait(tasks, timeout=_PATIENCE)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            logger.debug("%s ended with %r", task.get_name(), error)
