"""The thread that owns a model: jobs of many callers are written together, and each comes back when it is finished.

Unlike `models.batching.Batcher`, which carries out batch after batch, rows join a running batch and leave it between
two tokens: a short step does not wait for a long one, nor a new one for those that run. It knows no requests.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from reflectree.models.local.jobs import Job, Written
from reflectree.rlm_ops.errors import ModelError, ModelRejected, ReflectreeError, TransientModelError

if TYPE_CHECKING:
    from reflectree.models.neural.decoding import Decoder, Group

Load = Callable[[], "Decoder"]
CLOSE_TIMEOUT_S = 10.0
MOST_READ = 16384
"""Prompt tokens read in one forward pass, padding included; a longer prompt is read alone."""


class _Ticket:
    """A job on its way."""

    __slots__ = ("future", "job", "left", "restarted", "results")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.future: Future[list[Written]] = Future()
        self.results: dict[int, Written] = {}
        self.left = 0
        self.restarted = False


class Worker:
    """Writes jobs on one thread.

    Args:
        load: Loads the model; called on the thread, at the first job.
        rows: Most samples written at the same time.
        window: Seconds the first job waits for others to come.
    """

    def __init__(self, load: Load, rows: int, window: float = 0.002) -> None:
        self._load, self.rows, self._window = load, rows, window
        self._limit = rows
        self._queue: deque[tuple[_Ticket, Sequence[int]]] = deque()
        self._active: dict[int, _Ticket] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        _LIVING.add(self)

    def submit(self, job: Job) -> Future[list[Written]]:
        """Hand a job in; a future that is cancelled frees its rows before the next token.

        Raises:
            ModelRejected: The worker was closed.
        """
        ticket = _Ticket(job)
        with self._changed:
            if self._closed:
                raise ModelRejected("this local model is closed: make a new one")
            self._enqueue(ticket, range(job.n))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reflectree-local", daemon=True)
                self._thread.start()
            self._changed.notify()
        return ticket.future

    def close(self) -> None:
        """End the thread; what is not finished is refused. Twice is the same as once."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_TIMEOUT_S)

    def _enqueue(self, ticket: _Ticket, indices: Sequence[int], *, first: bool = False) -> None:
        """Queue samples of a job, in pieces that fit; those drawn without replacement belong together."""
        size = len(indices) if ticket.job.distinct else self._limit
        pieces = [indices[at : at + size] for at in range(0, len(indices), size)]
        ticket.left += len(pieces)
        for piece in reversed(pieces) if first else pieces:
            (self._queue.appendleft if first else self._queue.append)((ticket, piece))

    # --- on the thread

    def _work(self) -> None:
        try:
            decoder = self._load()
        except BaseException as error:  # the boundary to the model's library: whoever asked is told
            self._fail_all(error)
            return
        while self._wait(decoder):
            try:
                self._go_on(decoder)
            except BaseException as error:
                decoder.clear()
                self._recover(error)
        decoder.clear()
        self._fail_all(ModelRejected("the local model was closed before this was written"))

    def _fail_all(self, error: BaseException) -> None:
        with self._changed:
            tickets = {id(ticket): ticket for ticket, _ in self._queue} | {id(t): t for t in self._active.values()}
            self._queue.clear()
            self._active.clear()
            self._thread = None
        for ticket in tickets.values():
            _refuse(ticket, error)

    def _wait(self, decoder: Decoder) -> bool:
        """Wait for something to do; whether there is."""
        with self._changed:
            if decoder.rows or self._active:
                return not self._closed
            while not self._queue and not self._closed:
                self._limit = min(self.rows, 2 * self._limit)  # after a device was full, little by little
                self._changed.wait()
            until = time.monotonic() + self._window
            while not self._closed and sum(len(piece) for _, piece in self._queue) < self._limit:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return not self._closed

    def _go_on(self, decoder: Decoder) -> None:
        """Drop what nobody waits for any more, let in what fits, write one token a row."""
        gone = [group for group in decoder.groups if self._active[id(group)].future.done()]
        if gone:
            decoder.drop(gone)
            for group in gone:
                del self._active[id(group)]
        if arrived := self._admitted(decoder.rows):
            self._settle(decoder.admit(arrived))
        if decoder.rows:
            self._settle(decoder.step())

    def _admitted(self, rows: int) -> list[Group]:
        """The next groups: as many as fit beside the rows that run, one at least where none runs."""
        from reflectree.models.neural.beams import Beams
        from reflectree.models.neural.sampling import Samples

        groups: list[Group] = []
        longest = 0
        with self._changed:
            while self._queue:
                ticket, piece = self._queue[0]
                job = ticket.job
                longest = max(longest, len(job.prompt))
                fits = rows + len(piece) <= self._limit and longest * (len(groups) + 1) <= MOST_READ
                if (rows or groups) and not fits:
                    break
                self._queue.popleft()
                if ticket.future.done():
                    continue
                rows += len(piece)
                groups.append(Beams(job) if job.distinct else Samples(job, piece))
                self._active[id(groups[-1])] = ticket
        return groups

    def _settle(self, finished: Sequence[Group]) -> None:
        for group in finished:
            ticket = self._active.pop(id(group))
            ticket.left -= 1
            ticket.results |= group.results
            if group.error is not None:
                _refuse(ticket, ModelRejected(f"the local model failed: {group.error}"))
            elif not ticket.left and not ticket.future.done() and ticket.future.set_running_or_notify_cancel():
                ticket.future.set_result([ticket.results[i] for i in sorted(ticket.results)])

    def _recover(self, error: BaseException) -> None:
        """After a failed pass: out of memory is tried once more with half the rows, all else is told."""
        import torch

        # a CPU has no error of its own for it
        memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)
        with self._changed:
            running = list(dict.fromkeys(self._active.values()))
            rows = min(self._limit, sum(ticket.job.n for ticket in running))
            self._active.clear()
            self._queue = deque(entry for entry in self._queue if entry[0] not in running)
            if memory:
                self._limit = max(1, rows // 2)
            for ticket in reversed(running):
                if memory and not ticket.restarted and rows > 1:
                    ticket.restarted, ticket.left, ticket.results = True, 0, {}
                    self._enqueue(ticket, range(ticket.job.n), first=True)
                elif memory:
                    words = (
                        "out of memory on the model's device: ask for fewer samples or a shorter context, or set rows="
                    )
                    _refuse(ticket, TransientModelError(words))
                else:
                    _refuse(ticket, TransientModelError(f"the local model failed: {error}"))
        if memory and torch.cuda.is_available():
            torch.cuda.empty_cache()


def _refuse(ticket: _Ticket, error: BaseException) -> None:
    if ticket.future.done() or not ticket.future.set_running_or_notify_cancel():
        return
    known = isinstance(error, ModelError | ReflectreeError)
    ticket.future.set_exception(error if known else ModelRejected(f"the local model cannot be used: {error}"))


_LIVING: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """End the threads before the interpreter does, which would end them inside torch."""
    for worker in list(_LIVING):
        worker.close()
