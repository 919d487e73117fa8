"""llama.cpp inside this process: one server for all policies with the same settings, and the threads that wait for it.

`xllamacpp` calls block, so each runs on a daemon thread of a small pool. Every call streams: between two tokens the
engine can end it, which is what makes cancellation, closing and the end of the interpreter quick. Nothing here knows
of conversations, samples or prices.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from reflectree.models.embedded.weights import Progress, embedded_weights, need
from reflectree.rlm_ops.errors import BadInput, ModelRejected

T = TypeVar("T")
CLOSE_TIMEOUT_S = 10.0
RECENT_PROMPTS = 32
PROMPT_CACHE_MIB = 256
"""Memory for what evicted slots had read (23 KB a token; llama.cpp's default is 8 GB). Two kinds of prompt that take
turns, such as a generator's and an evaluator's, cost a tenth of what they cost without it."""
PREFILL_BATCH = 256
"""Prompt tokens read between two chances to cancel (about 1.5 s on one slow core)."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What distinguishes one engine from another.

    Attributes:
        threads: CPU threads of llama.cpp. More than one spins while it waits, and collapses on a busy machine.
        slots: Samples written at the same time (continuous batching).
        context: Tokens of prompt and reply a slot holds; all slots together take 23 KB of memory a token.
    """

    threads: int = 1
    slots: int = 8
    context: int = 2048

    def __post_init__(self) -> None:
        if self.threads < 1 or self.slots < 1 or not 64 <= self.context <= 8192:
            raise BadInput("the embedded model needs threads >= 1, slots >= 1 and a context of 64 to 8192 tokens")


def _run(future: Future[T], job: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # the waiter gets it: a pool thread has nobody else to tell
        future.set_exception(error)


def in_thread(job: Callable[[], T], name: str) -> Future[T]:
    """Run `job` on a daemon thread of its own."""
    future: Future[T] = Future()
    threading.Thread(target=_run, args=(future, job), name=name, daemon=True).start()
    return future


class DaemonPool:
    """Threads that run jobs and never keep the interpreter alive (`ThreadPoolExecutor` joins its own at exit)."""

    def __init__(self, size: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{i}", daemon=True) for i in range(size)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run `job` on the next free thread."""
        future: Future[T] = Future()
        self._jobs.put((future, job))
        return future

    def close(self, timeout: float) -> bool:
        """Drop the jobs not begun, wait for those begun; `False` if one was still running after `timeout` seconds."""
        while not self._jobs.empty():
            try:
                item = self._jobs.get_nowait()
            except queue.Empty:
                break
            if item is not None:
                item[0].cancel()
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            _run(*item)
            del item  # an idle thread must not keep the last request alive


class Engine:
    """A loaded model. Construction blocks for 0.4 to 2 s and holds the interpreter lock meanwhile (xllamacpp does)."""

    def __init__(self, weights: Path, settings: EngineSettings) -> None:
        xllamacpp = need("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = str(weights)
        params.n_parallel, params.n_ctx = settings.slots, settings.slots * settings.context
        params.n_batch = params.n_ubatch = PREFILL_BATCH
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
        params.fit_params, params.verbosity, params.ui = False, -1, False
        params.cache_ram_mib = PROMPT_CACHE_MIB
        # The library always opens an HTTP port on loopback; a key nobody knows keeps it shut.
        params.n_threads_http, params.api_keys = 1, [secrets.token_hex(32)]
        self.settings = settings
        self.closing = False
        self._server: Any = xllamacpp.Server(params)
        self._pool = DaemonPool(settings.slots, "reflectree-embedded")
        self._recent: deque[Sequence[int]] = deque(maxlen=RECENT_PROMPTS)

    def knows(self, prompt: Sequence[int]) -> bool:
        """Whether a recent prompt began with half of this one; remembers this one.

        It decides how several samples of a prompt are asked for. As *one* request llama.cpp reads the prompt once for
        all of them, but wipes the slots of all but one afterwards: right for a prompt that comes once. As one request a
        sample, each slot reads what it does not hold yet and keeps it: right for prompts with a common beginning, which
        is what a search sends (measured: five times cheaper a round, of 340 common tokens and 8 samples).
        """
        half = len(prompt) // 2
        known = any(list(old[:half]) == list(prompt[:half]) for old in self._recent)
        self._recent.append(prompt)
        return known

    def stream(self, body: dict[str, Any], on_chunk: Callable[[dict[str, Any]], bool]) -> Future[None]:
        """Post a completion request; `on_chunk` gets every chunk on a pool thread and returns whether to end it."""
        if self.closing:
            raise ModelRejected("the embedded model was closed (or this process is a fork): make a new policy")
        body = {**body, "stream": True, "return_progress": True}
        failures: list[BaseException] = []

        def guarded(chunk: dict[str, Any]) -> bool:
            try:
                return self.closing or on_chunk(chunk)
            except BaseException as error:  # the C++ side would swallow it: kept here, raised below
                failures.append(error)
                return True

        def job() -> None:
            if not self.closing:
                self._server.handle_completions(body, guarded)
            if failures:
                raise failures[0]

        return self._pool.submit(job)

    def close(self) -> None:
        """End all calls, stop the threads, free the model. Waits at most ten seconds."""
        self.closing = True
        if self._pool.close(CLOSE_TIMEOUT_S):
            self._server = None  # its destructor stops llama.cpp's threads, which takes some 50 ms
        else:
            _make_immortal(self._server)


def _make_immortal(server: Any) -> None:
    """Keep the destructor from ever running: it would wait for threads that cannot end (or, after a fork, are gone)."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))


class _Registry:
    """The engines of this process, each with the number of policies that hold it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: dict[EngineSettings, tuple[Engine, int]] = {}

    def acquire(self, settings: EngineSettings, progress: Progress | None) -> Engine:
        with self._lock:
            engine, holders = self._engines.get(settings, (None, 0))
            if engine is None:
                weights = embedded_weights(progress)
                engine = Engine(weights, settings)
            self._engines[settings] = (engine, holders + 1)
            return engine

    def release(self, engine: Engine) -> None:
        with self._lock:
            held, holders = self._engines.get(engine.settings, (None, 0))
            if held is not engine:
                return
            if holders > 1:
                self._engines[engine.settings] = (engine, holders - 1)
                return
            del self._engines[engine.settings]
        engine.close()

    def close_all(self) -> None:
        for engine, _ in list(self._engines.values()):
            engine.close()
        self._engines.clear()

    def forget(self) -> None:
        """In a forked child: the threads are gone, so the engines are useless and must not be destroyed.

        A child that wants the model should be spawned. One that was forked must end as `multiprocessing`'s do, by
        `os._exit`: llama.cpp's own exit handlers wait for threads that a fork does not copy.
        """
        self._lock = threading.Lock()
        for engine, _ in self._engines.values():
            engine.closing = True
            _make_immortal(engine._server)
        self._engines = {}


_registry = _Registry()
acquire, release = _registry.acquire, _registry.release
atexit.register(_registry.close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_registry.forget)
