"""One scorer, one model thread, any number of callers: dynamic batches by tokens, and what to do where one fails.

Items that wait are taken together up to a budget of tokens. A batch that does not fit on the device is halved once; an
item whose score is no number fails alone. How a batch is padded and what of it is known already is the scorer's
business. It knows no HTTP and imports no torch: the server and in-process clients share it.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from reflectree.models.batching import Batcher, Closed, Overloaded
from reflectree.models.scoring.items import Encoded, Item, ItemRefused, Scored, Scorer, ScorerInfo
from reflectree.rlm_ops.errors import ReflectreeError

MAX_BATCH_TOKENS = 16_384
"""Most tokens of a batch, padding left out."""

MAX_QUEUE = 8192
"""Most items that wait."""

ROUNDING = 1e-6
"""How far a score may lie outside [0, 1]: what a sum of shares in single precision is off by."""

WINDOW = 0.002
"""Seconds an item waits for others."""


class OutOfMemory(ReflectreeError):
    """The device has no room for this, not even in a smaller batch."""

    exit_code = 4


class ScorerFailed(ReflectreeError):
    """The scorer broke its contract: another number of scores than steps, a score outside [0, 1]."""

    exit_code = 1


class ItemFailed(ItemRefused):
    """One item of several cannot be scored; `index` says which, counted from 0."""

    def __init__(self, code: str, message: str, index: int) -> None:
        super().__init__(code, message)
        self.index = index


@dataclass(frozen=True, slots=True)
class Batch:
    """What one pass through the model did.

    Attributes:
        items: Items in it.
        tokens: Their tokens, without padding.
        cached: How many of those were not computed again.
        seconds: Seconds the pass took.
        waits: Seconds each item waited for its turn.
        split: It did not fit on the device and was halved.
    """

    items: int
    tokens: int
    cached: int
    seconds: float
    waits: tuple[float, ...]
    split: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    encoded: Encoded
    index: int
    since: float


class ScoringEngine:
    """Scores items with one scorer, on one thread of its own.

    Args:
        scorer: The model; the engine closes it.
        max_batch_tokens: Most tokens of a batch, padding left out; a longer item is a batch of its own.
        max_queue: Most items that may wait; beyond, `score` raises `Overloaded`. `None` means no limit.
        window: Seconds an item waits for others to come, at most.
        on_batch: Is told of every pass, on the model's thread.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        max_batch_tokens: int = MAX_BATCH_TOKENS,
        max_queue: int | None = MAX_QUEUE,
        window: float = WINDOW,
        on_batch: Callable[[Batch], None] | None = None,
    ) -> None:
        self._scorer = scorer
        self.max_batch_tokens, self.max_queue = max_batch_tokens, max_queue
        self._listeners = () if on_batch is None else (on_batch,)
        # A fast tokenizer is not safe for threads that use it with different settings: all encoding is one thread's.
        self._encoding = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._batcher = Batcher[_Job, Scored](
            self._run,
            cost=lambda job: job.encoded.tokens,
            budget=max_batch_tokens,
            window=window,
            waiting=max_queue,
            name="scorer",
        )
        self._unencoded = 0
        self._closed = False

    @property
    def info(self) -> ScorerInfo:
        """What is told of the scorer."""
        return self._scorer.info

    @property
    def depth(self) -> int:
        """Items that wait."""
        return self._batcher.depth

    def listen(self, on_batch: Callable[[Batch], None]) -> None:
        """Tell one more of every pass."""
        self._listeners = (*self._listeners, on_batch)

    async def score(self, items: Sequence[Item]) -> list[Scored]:
        """One result an item, in order. A caller that is cancelled withdraws what has not begun.

        Raises:
            ItemFailed: One of them cannot be scored, or its score is no number; nothing of the others is told.
            Overloaded: Too much waits already.
            Closed: The engine was closed.
            OutOfMemory: The device has no room, not even for a smaller batch.
            ScorerFailed: The scorer broke its contract.
        """
        if not items:
            return []
        encoded = await self._encoded(items)
        now = time.monotonic()
        return await self._batcher.submit([_Job(item, index, now) for index, item in enumerate(encoded)])

    async def _encoded(self, items: Sequence[Item]) -> list[Encoded]:
        """The items as tokens, made on the thread for that; those that wait for it count as waiting."""
        waiting = self.depth + self._unencoded
        if self.max_queue is not None and waiting + len(items) > self.max_queue:
            raise Overloaded(f"{waiting} items wait already: try again in a moment, or send fewer at once")
        try:
            encoding = self._encoding.submit(self.encode, items)
        except RuntimeError as error:  # the thread has ended
            raise Closed("the model was closed: build a new engine") from error
        self._unencoded += len(items)
        try:
            return await asyncio.wrap_future(encoding)
        finally:
            self._unencoded -= len(items)

    def encode(self, items: Sequence[Item]) -> list[Encoded]:
        """The items as tokens.

        Raises:
            ItemFailed: The first that cannot be scored as it is.
        """
        found: list[Encoded] = []
        for index, item in enumerate(items):
            try:
                found.append(self._scorer.encode(item))
            except ItemRefused as error:
                raise ItemFailed(error.code, str(error), index) from error
        return found

    def close(self, drain: bool = True) -> None:
        """End the thread and release the model; what waits is scored first, or refused where `drain` is false."""
        if not self._closed:
            self._closed = True
            self._encoding.shutdown()
            self._batcher.close(drain)
            self._scorer.close()

    async def aclose(self, drain: bool = True) -> None:
        """`close`, without blocking the event loop meanwhile."""
        await asyncio.to_thread(self.close, drain)

    def _run(self, jobs: list[_Job]) -> list[Scored | BaseException]:
        """Carry out what the batcher took, on the model's thread."""
        return self._attempt(jobs, may_split=True)

    def _attempt(self, jobs: list[_Job], *, may_split: bool) -> list[Scored | BaseException]:
        """One pass; where it fails, what can be done about it."""
        try:
            return list(self._pass(jobs, split=not may_split))
        except (FloatingPointError, ScorerFailed) as error:  # one item's fault: found by halving, the others are scored
            if len(jobs) == 1:
                return [error if isinstance(error, ScorerFailed) else _no_number(error, jobs[0])]
            halve = True
        except Exception as error:  # the boundary to torch, whose errors have many types
            if not is_out_of_memory(error):
                return [error] * len(jobs)
            halve = may_split and len(jobs) > 1
            may_split = False
        # Outside of `except`: a caught error keeps the frames of the failed pass alive, and their tensors with them.
        _free_memory()
        if not halve:
            tokens = sum(job.encoded.tokens for job in jobs)
            said = f"out of memory for {len(jobs)} items of {tokens} tokens: use a smaller --max-batch-tokens"
            return [OutOfMemory(said) for _ in jobs]
        middle = len(jobs) // 2
        return [
            *self._attempt(jobs[:middle], may_split=may_split),
            *self._attempt(jobs[middle:], may_split=may_split),
        ]

    def _pass(self, jobs: list[_Job], *, split: bool) -> list[Scored]:
        started = time.monotonic()
        results = self._checked(jobs, self._scorer.score([job.encoded for job in jobs]))
        seconds = time.monotonic() - started
        if self._listeners:
            waits = tuple(started - job.since for job in jobs)
            cached = sum(result.cached for result in results)
            tokens = sum(result.tokens for result in results)
            batch = Batch(len(jobs), tokens, cached, seconds, waits, split)
            for told in self._listeners:
                told(batch)
        return results

    def _checked(self, jobs: list[_Job], results: list[Scored]) -> list[Scored]:
        """The results with what is but rounding clipped; whatever else is wrong with one is an error."""
        if len(results) != len(jobs):
            raise ScorerFailed(f"the scorer gave {len(results)} results for {len(jobs)} items")
        for job, result in zip(jobs, results, strict=True):
            if not all(math.isfinite(score) for score in (*result.steps, result.value)):
                raise FloatingPointError("it is infinite or not a number")
            if not all(-ROUNDING <= score <= 1 + ROUNDING for score in (*result.steps, result.value)):
                raise ScorerFailed(f"a score of {result.value} is outside [0, 1]: check the head and its scale")
            steps = len(job.encoded.item.steps)
            if self.info.per_step and steps and len(result.steps) != steps:
                raise ScorerFailed(f"{len(result.steps)} scores for {steps} steps: check the model's step tag")
        return [
            replace(result, steps=tuple(map(_clipped, result.steps)), value=_clipped(result.value))
            for result in results
        ]


def _clipped(score: float) -> float:
    return min(max(score, 0.0), 1.0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine had no room; torch is not needed to tell."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in said for words in ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    )


def _no_number(error: FloatingPointError, job: _Job) -> ItemFailed:
    said = f"the model's score of this item is no number ({error}): look at the model's weights and dtype"
    return ItemFailed("not_a_number", said, job.index)


def _free_memory() -> None:
    """Give back what torch keeps for later; nothing where torch is not in use."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
