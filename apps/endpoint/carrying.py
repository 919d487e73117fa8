"""One run of the endpoint carried out: with its checkpoint, its record and its bill, or without.

Who may begin it was decided before, and who waits for it is not known here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from reflectree.apps.endpoint.errors import api_error
from reflectree.apps.endpoint.keys import Key
from reflectree.apps.endpoint.limits import Gate, Grant
from reflectree.apps.endpoint.metering import Metered
from reflectree.apps.endpoint.metrics import Metrics
from reflectree.apps.endpoint.offering import Offering
from reflectree.apps.endpoint.recovery import Record, Recovery, thread_of
from reflectree.apps.endpoint.requests import Chat
from reflectree.graphs.adapters.replying import areply
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import ModelError, RunLocked
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.usage import NO_USAGE, Usage

if TYPE_CHECKING:
    from reflectree.graphs.adapters.replying import Replied
    from reflectree.graphs.live import OnEvent

logger = logging.getLogger(__name__)

_PLANS = 256
"""Blueprints, with clients' settings of sampling, that are kept."""


@dataclass(slots=True)
class Job:
    """A run to be carried out.

    Attributes:
        chat: What was asked.
        key: Who asked.
        run_id: Its name.
        grant: The permission to spend; `None` where it is finished, and is only told again.
        record: What was kept of it before.
        metered: The policy, which knows what was spent on it.
        before: What was spent before a restart, and is on no bill yet.
    """

    chat: Chat
    key: Key
    run_id: str
    grant: Grant | None
    record: Record | None = None
    metered: Metered | None = None
    before: Usage = NO_USAGE

    @property
    def usage(self) -> Usage:
        """Its bill so far: what this process has to pay, calls under way included."""
        return self.before if self.metered is None else self.before + self.metered.usage

    @property
    def thread(self) -> str:
        """Its name in the checkpoint."""
        return thread_of(self.key.name, self.run_id)


class Carrier:
    """Carries runs out.

    Args:
        offering: What they are made of.
        gate: The books of limits.
        metrics: What is counted.

    Attributes:
        recovery: Where runs are kept, if they are.
        ending: The server ends: a run that is cancelled now was not given up by its client.
    """

    def __init__(self, offering: Offering, gate: Gate, metrics: Metrics) -> None:
        self._offering, self._gate, self._metrics = offering, gate, metrics
        self.recovery: Recovery | None = None
        self.ending = False
        self._plans: OrderedDict[tuple[Any, ...], Blueprint] = OrderedDict()

    def end(self, job: Job) -> None:
        """Settle a run that has ended in whatever way."""
        if job.grant is not None:
            self._gate.leave(job.grant, job.usage)

    async def carry(self, job: Job, tell: OnEvent) -> Replied:
        """Carry a run out, from wherever it stands.

        Raises:
            ReflectreeError: It ended without a reply.
            ApiError: Another server has it.
        """
        try:
            if self.recovery is None:
                return await self._counted(job, tell, None)
            return await self._kept(self.recovery, job, tell)
        except RunLocked as error:
            raise ApiError(409, "run_under_way", str(error), headers={"Retry-After": "1"}) from error
        except ApiError:
            raise
        except Exception as error:
            if isinstance(error, ModelError):  # clients are not told where the models are
                logger.warning("run %s of %s: %s: %s", job.run_id, job.key.name, type(error).__name__, error)
            self._metrics.on_error(error)
            raise

    async def again(self, job: Job) -> Replied:
        """The reply of a finished run, out of its checkpoint; nothing is called and nothing is paid."""
        assert self.recovery is not None
        return await self._reply(job, lambda event, structure: None, self.recovery.saver())

    async def _kept(self, recovery: Recovery, job: Job, tell: OnEvent) -> Replied:
        """Carry a run out that a restart does not lose."""
        try:
            await self._enter(recovery, job)
        except asyncio.CancelledError:  # it may have been written, and nobody waits for it
            if not self.ending:
                await recovery.mark(job.key.name, job.run_id, "cancelled")
            raise
        async with recovery.held(job.thread) as saver:
            if job.record is not None and job.record.state == "running":
                self._metrics.on_recovered()
            return await self._recorded(recovery, job, tell, saver)

    async def _enter(self, recovery: Recovery, job: Job) -> None:
        """Keep what was asked, before anything is paid.

        Raises:
            ApiError: Another server has begun it meanwhile.
        """
        chat = job.chat
        if job.record is not None:
            if job.record.state != "running":
                await recovery.mark(job.key.name, job.run_id, "running")
            return
        body = {"body": chat.body, "budget": asdict(chat.budget)}
        record = Record(
            job.key.name, job.run_id, chat.idempotency_key, chat.digest, chat.model, "running", time.time(), body
        )
        if await recovery.add(record) is not None:
            said = f"run {job.run_id} has just been begun by another request: ask again for its reply"
            raise ApiError(409, "run_under_way", said, headers={"Retry-After": "1"})

    async def _recorded(self, recovery: Recovery, job: Job, tell: OnEvent, saver: BaseCheckpointSaver[Any]) -> Replied:
        """Carry it out, and say in its record what came of it."""
        owner, run = job.key.name, job.run_id
        try:
            replied = await self._counted(job, tell, saver)
        except asyncio.CancelledError:
            if not self.ending:
                await recovery.mark(owner, run, "cancelled")
                await self._pay(recovery, job)
            raise
        except Exception as error:
            told = api_error(error)
            await recovery.mark(owner, run, "failed", (told.status, told.code, str(told)))
            await self._pay(recovery, job)
            raise
        await recovery.mark(owner, run, "finished")
        await self._pay(recovery, job)
        return replied

    async def _pay(self, recovery: Recovery, job: Job) -> None:
        """Keep what a key with a limit has spent."""
        key, day = job.key, self._gate.day
        if key.usd_per_day is not None or key.tokens_per_day is not None:
            usd, tokens = await recovery.spend(key.name, day, job.usage.usd or 0.0, job.usage.tokens)
            self.spent_elsewhere(job, day, usd, tokens)

    def spent_elsewhere(self, job: Job, day: int, usd: float, tokens: int) -> None:
        """What a key has spent on all servers together; this run's part is counted when it is settled."""
        self._gate.recall(job.key.name, day, usd - (job.usage.usd or 0.0), tokens - job.usage.tokens)

    async def _counted(self, job: Job, tell: OnEvent, saver: BaseCheckpointSaver[Any] | None) -> Replied:
        """Carry it out, and count what came of it."""
        unbilled = job.record is not None and job.record.state == "running"

        def on_event(event: Event, structure: ReasoningStructure) -> None:
            nonlocal unbilled
            if unbilled:  # nobody was told yet what it had cost before
                unbilled = False
                job.before = _less(structure.usage, getattr(event, "usage", NO_USAGE))
            tell(event, structure)

        try:
            replied = await self._reply(job, on_event, saver)
        except asyncio.CancelledError:
            if not self.ending:
                self._metrics.on_cancelled()
                self._metrics.on_spent(job.key.name, job.chat.blueprint, job.usage)
            raise
        except Exception:
            self._metrics.on_spent(job.key.name, job.chat.blueprint, job.usage)
            raise
        if unbilled:  # it had found its answer, and was interrupted before anybody was told
            job.before = replied.result.usage
        self._metrics.on_run(job.key.name, job.chat.blueprint, replied.result)
        return replied

    async def _reply(self, job: Job, on_event: OnEvent, saver: BaseCheckpointSaver[Any] | None) -> Replied:
        chat = job.chat
        job.metered = Metered(self._offering.policies[chat.policy])
        replied = await areply(
            chat.messages,
            wants=chat.wants,
            blueprint=self._plan(chat),
            policy=job.metered,
            budget=Budget() if job.grant is None else job.grant.budget,
            seed=chat.seed,
            checkpoint=saver,
            run_id=job.run_id if saver is None else job.thread,
            on_event=on_event,
            stop=chat.stop,
            **self._offering.options,
        )
        # the client knows the run by the name without its key's
        return replied if saver is None else replace(replied, result=replace(replied.result, run_id=job.run_id))

    def _plan(self, chat: Chat) -> Blueprint:
        """The blueprint with the client's settings, made once for all who ask for the same."""
        wanted = (chat.blueprint, chat.max_tokens, chat.temperature, chat.top_p)
        plan = self._plans.get(wanted)
        if plan is None:
            plan = self._plans[wanted] = chat.plan(self._offering.plans[chat.blueprint])
            if len(self._plans) > _PLANS:
                self._plans.popitem(last=False)
        return plan


def _less(usage: Usage, part: Usage) -> Usage:
    """The bill without a part of it."""
    usd = None if usage.usd is None or part.usd is None else usage.usd - part.usd
    return Usage(
        usage.calls - part.calls,
        usage.failed_calls - part.failed_calls,
        usage.prompt_tokens - part.prompt_tokens,
        usage.completion_tokens - part.completion_tokens,
        usd,
    )
