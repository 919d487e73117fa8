"""The service behind the endpoint: who may ask, what is offered, and every run from its beginning to its end.

It knows nothing of HTTP's bodies and streams, which are the application's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

from reflectree.apps.endpoint.carrying import Carrier, Job
from reflectree.apps.endpoint.keys import Key, Keys
from reflectree.apps.endpoint.limits import Gate, Limits
from reflectree.apps.endpoint.metrics import CONTENT_TYPE, Metrics
from reflectree.apps.endpoint.offering import Offering
from reflectree.apps.endpoint.readiness import Readiness
from reflectree.apps.endpoint.recovery import Record, Recovery, open_recovery
from reflectree.apps.endpoint.register import Register, check_same
from reflectree.apps.endpoint.requests import Chat, restored
from reflectree.apps.endpoint.running import Running, RunState
from reflectree.apps.endpoint.shared import Shared
from reflectree.graphs.adapters.names import Offered
from reflectree.models.http.errors import ApiError, shutting_down
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput

logger = logging.getLogger(__name__)

CAPS = Budget(calls=256, seconds=600.0)
"""The most that one run may spend, where the server is told nothing else."""

_HOUR = 3600.0


class Service:
    """One endpoint's service; `begin` and `end` it in the event loop that serves.

    Args:
        offering: What is offered.
        keys: Who may ask; none lets anyone.
        caps: The most that one run may spend.
        limits: How much one request, and all together, may ask for.
        checkpoint: Where runs are kept, so that they survive a restart: a SQLite file, or a `postgresql://` address.
        keep_days: Days after which a run that has ended is forgotten there.

    Attributes:
        draining: The server was asked to end: nothing new is begun.
        in_flight: Requests under way; the application counts them.
    """

    def __init__(
        self,
        offering: Offering,
        *,
        keys: Keys | None = None,
        caps: Budget = CAPS,
        limits: Limits | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        keep_days: float = 30.0,
    ) -> None:
        self.keys, self.caps, self.limits = keys or Keys(), caps, limits or Limits()
        self.draining, self.in_flight = False, 0
        self.created = int(time.time())
        self.offered: Offered = offering.offered
        self.offering = offering
        self._checkpoint, self._keep_s = checkpoint, keep_days * 86_400
        self.gate = Gate(self.limits)
        self.metrics = Metrics(lambda: self.in_flight, lambda: self.gate.under_way)
        self._carrier = Carrier(offering, self.gate, self.metrics)
        self._recovery: Recovery | None = None
        self._readiness: Readiness | None = None
        self._stack = contextlib.AsyncExitStack()
        self._alone: set[Running] = set()
        """Runs that nobody can join, for they have no name and are not kept."""
        self._register = Register()
        self._sweeper: asyncio.Task[None] | None = None
        self._check_prices()

    async def begin(self) -> None:
        """Open the checkpoint, and go on with the runs that a restart interrupted.

        Raises:
            BadInput: The checkpoint cannot be used.
        """
        if self._checkpoint is None:
            return
        recovery = self._recovery = await self._stack.enter_async_context(open_recovery(self._checkpoint))
        self._carrier.recovery = recovery
        self._readiness = Readiness(recovery.check)
        try:
            for key in self.keys:
                usd, tokens = await recovery.spend(key.name, self.gate.day, 0.0, 0)
                self.gate.recall(key.name, self.gate.day, usd, tokens)
            for record in await recovery.unfinished():
                await self._resume(record)
        except BaseException:
            await self._stack.aclose()
            raise
        self._sweeper = asyncio.create_task(self._sweep(recovery), name="forget old runs")

    async def end(self) -> None:
        """Stop what is under way (a checkpoint keeps it for the next start), and close everything."""
        self._carrier.ending = True
        left: list[Running | Shared] = [*self._alone, *self._register]
        for run in left:
            await run.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
        await self._stack.aclose()
        await self.offering.aclose()

    # What the application asks for

    async def check_ready(self) -> None:
        """See that runs can be begun now.

        Raises:
            ApiError: The server is shutting down, or the checkpoint cannot be used (503).
        """
        if self.draining:
            raise shutting_down()
        if self._readiness is not None and not await self._readiness.usable():
            said = "the server cannot save runs now: its log says why"
            raise ApiError(503, "checkpoint_failed", said, headers={"Retry-After": "5"})

    @property
    def metrics_type(self) -> str:
        """The content type of the metrics."""
        return CONTENT_TYPE

    def metrics_text(self) -> str:
        """What was counted, for Prometheus."""
        return self.metrics.text()

    def on_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.metrics.on_request(path, status, seconds)

    def key_of(self, authorization: str | None) -> Key:
        """Whose key it is.

        Raises:
            ApiError: There is none, or it is wrong (401).
        """
        try:
            return self.keys.find(authorization)
        except ApiError:
            self.metrics.on_refused("invalid_api_key", "")
            raise

    async def start(self, chat: Chat, key: Key) -> Running:
        """Begin a run, or join the one that the client means by its idempotency key.

        Raises:
            ApiError: A limit of the key (429) or of the server (503) forbids it, it could not be saved (503), the name
                is taken (409), the idempotency key was used for another request, or its cap cannot be kept (422).
        """
        if chat.budget.usd is not None and self.offering.policies[chat.policy].price is None:
            said = f"X-Reflectree-Max-Usd: the price of {chat.policy} is unknown: cap it by X-Reflectree-Max-Tokens"
            raise ApiError(422, "unknown_price", said, param="x-reflectree-max-usd")
        if self._readiness is not None and self._readiness.failing:
            await self.check_ready()
        if self._recovery is None and chat.run_id is None and chat.idempotency_key is None:
            return self._unshared(self._job(chat, key, uuid.uuid4().hex))
        if (shared := self._joined(chat, key)) is not None:
            return shared.view()
        record = None
        if self._recovery is not None and (chat.run_id or chat.idempotency_key):
            record = await self._recovery.find(key.name, chat.run_id, chat.idempotency_key)
            if (shared := self._joined(chat, key)) is not None:  # begun while the database was asked
                return shared.view()
        if record is None:
            return self._share(self._job(chat, key, chat.run_id or uuid.uuid4().hex)).view()
        check_same(chat, record.run, record.digest)
        if record.state == "finished":
            self.metrics.on_attached()
            saved = Job(chat, key, record.run, None)
            return Running(record.run, lambda tell: self._carrier.again(saved))
        return self._share(self._job(chat, key, record.run, record)).view()

    async def run_state(self, run_id: str, key: Key) -> RunState | None:
        """What is known of a run of this key."""
        shared = self._register.get(key.name, run_id)
        if shared is not None:
            return _state_of(shared)
        record = None if self._recovery is None else await self._recovery.find(key.name, run_id)
        if record is None:
            return None
        about = (record.run, record.model, int(record.created))
        match record.state:
            case "finished":
                job = Job(self._chat_of(record), key, record.run, None)
                return RunState(*about, "finished", await self._carrier.again(job))
            case "failed" if record.error is not None:
                status, code, said = record.error
                return RunState(*about, "failed", error=ApiError(status, code, said))
            case _:
                return RunState(*about, "interrupted")

    # How runs are begun

    def _job(self, chat: Chat, key: Key, run_id: str, record: Record | None = None) -> Job:
        """A run that the limits allow.

        Raises:
            ApiError: They do not.
        """
        interrupted = record is not None and record.state == "running"
        try:
            grant = self.gate.enter(key, chat.budget, again=interrupted)
        except ApiError as error:
            self.metrics.on_refused(error.code, key.name)
            raise
        return Job(chat, key, run_id, grant, record)

    def _unshared(self, job: Job) -> Running:
        """Begin a run that nobody else can name."""

        def ended() -> None:
            self._alone.discard(running)
            self._carrier.end(job)

        running = Running(job.run_id, lambda tell: self._carrier.carry(job, tell), on_end=ended)
        self._alone.add(running)
        return running

    def _share(self, job: Job) -> Shared:
        """Begin a run that others may join."""
        owner, run_id, word = job.key.name, job.run_id, job.chat.idempotency_key

        def ended() -> None:
            self._carrier.end(job)
            if self._recovery is not None or shared.task.cancelled() or shared.task.exception() is not None:
                self._register.forget(owner, run_id, word)
            else:
                self._register.keep(owner, run_id, word)

        created = time.time() if job.record is None else job.record.created
        work: Callable[..., Any] = lambda tell: self._carrier.carry(job, tell)  # noqa: E731
        shared = Shared(run_id, job.chat.digest, job.chat.model, created, work, ended)
        self._register.add(owner, shared, word)
        return shared

    def _joined(self, chat: Chat, key: Key) -> Shared | None:
        """The run that is meant, where it is in this process.

        Raises:
            ApiError: It cannot be joined with this request.
        """
        shared = self._register.find(key.name, chat)
        if shared is not None:
            self.metrics.on_attached()
        return shared

    # What a restart interrupted

    async def _resume(self, record: Record) -> None:
        """Go on with a run, if its key and its model are still there."""
        key = next((key for key in self.keys if key.name == record.owner), None)
        if key is None:
            logger.warning("run %s is of the key %s, which is gone: it waits", record.run, record.owner)
            return
        try:
            self._share(self._job(self._chat_of(record), key, record.run, record))
        except ApiError as error:
            logger.warning("run %s cannot be gone on with: %s", record.run, error)

    def _chat_of(self, record: Record) -> Chat:
        """What was asked.

        Raises:
            ApiError: The model is not offered any more (404).
        """
        budget = Budget(**record.body["budget"])
        body, word = record.body["body"], record.idempotency
        return restored(body, budget, self.offered, run_id=record.run, idempotency_key=word)

    async def _sweep(self, recovery: Recovery) -> None:
        while True:
            try:
                logger.info("forgot %d runs", await recovery.expire(time.time() - self._keep_s))
            except Exception:  # a database that is away for a while must not end the sweeping for good
                logger.exception("old runs could not be forgotten")
            await asyncio.sleep(_HOUR)

    def _check_prices(self) -> None:
        """Refuse a limit in dollars that nobody could reckon.

        Raises:
            BadInput: The price of a model is unknown.
        """
        unknown = [name for name, model in self.offering.policies.items() if model.price is None]
        for key in self.keys:
            if key.usd_per_day is not None and unknown:
                raise BadInput(
                    f"the key {key.name} has usd_per_day, and the price of {unknown[0]} is unknown: "
                    "limit it by tokens_per_day"
                )
        if self.caps.usd is not None and unknown:
            raise BadInput(f"--max-usd, and the price of {unknown[0]} is unknown: cap it by --max-tokens")


def _state_of(shared: Shared) -> RunState:
    """The state of a run that is in this process."""
    about = (shared.run_id, shared.model, int(shared.created))
    task = shared.task
    if not task.done():
        return RunState(*about, "running")
    if task.cancelled():
        return RunState(*about, "interrupted")
    error = task.exception()
    return RunState(*about, "finished", task.result()) if error is None else RunState(*about, "failed", error=error)
