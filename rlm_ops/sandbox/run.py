"""Start code in the sandbox, wait for it, read how it ended. What isolates it is in `child.py` and `seccomp.py`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.sandbox.job import make_request, open_job
from reflectree.rlm_ops.sandbox.limits import Limits, Outcome, Reason


def run_python(code: str, *, stdin: str = "", limits: Limits | None = None) -> Outcome:
    """Run a program in a fresh, isolated interpreter with the standard library.

    Raises:
        BadInput: This system cannot isolate it (see `available`) and `limits` do not allow less.
    """
    limits = limits or Limits()
    return _run(make_request([code], limits), stdin, limits)


async def arun_python(code: str, *, stdin: str = "", limits: Limits | None = None) -> Outcome:
    """As `run_python`, without blocking; cancelling it kills the program and all it may have started.

    Raises:
        BadInput: As `run_python`.
    """
    limits = limits or Limits()
    with open_job(make_request([code], limits), stdin, limits) as job:
        process = await asyncio.create_subprocess_exec(*job.command, **job.options)
        ended = asyncio.ensure_future(process.wait())
        stopped: Reason | None = None
        try:
            while not ended.done() and (stopped := job.breach()) is None:
                await asyncio.wait({ended}, timeout=job.patience())
        finally:
            _kill(process.pid, reaped=ended.done(), limits=limits)
            status = await ended
        return job.outcome(status, stopped)


def run_tests(
    code: str | Sequence[str], tests: Sequence[str], *, setup: str = "", limits: Limits | None = None
) -> Outcome:
    """Run a program, then each test in its namespace; `Outcome.passed` says which held.

    The program is named `program`, so that what it does `if __name__ == "__main__"` stays undone.
    A test that ends the process or its time fails, and so do those after it.

    Args:
        code: The program, or several readings of one text, of which the first that compiles is run.
        tests: Python statements that raise where the program is wrong.
        setup: Trusted code run before the program.
        limits: For all of it together.

    Raises:
        BadInput: As `run_python`; or the set-up failed.
    """
    limits = limits or Limits()
    request = make_request([code] if isinstance(code, str) else code, limits, tests=tests, setup=setup)
    return _run(request, "", limits)


@functools.cache
def available() -> str:
    """Why code cannot be fully isolated on this system; empty where it can. Found out by trying."""
    try:
        outcome = run_python("pass")
    except (BadInput, OSError) as error:
        return str(error)
    return "" if outcome.ok else f"the sandbox does not work here: {outcome.reason} {outcome.stderr}".strip()


def _run(request: dict[str, Any], stdin: str, limits: Limits) -> Outcome:
    with open_job(request, stdin, limits) as job:
        process = subprocess.Popen(job.command, **job.options)
        stopped: Reason | None = None
        ended = False
        try:
            with _waiter(process) as ends_within:
                while not (ended := ends_within(job.patience())) and (stopped := job.breach()) is None:
                    pass
        finally:
            _kill(process.pid, reaped=process.returncode is not None, limits=limits)
            status = process.wait()
        return job.outcome(status, None if ended else stopped)


@contextmanager
def _waiter(process: subprocess.Popen[Any]) -> Iterator[Callable[[float], bool]]:
    """A function that waits for the process's end; `Popen.wait` with a time-out only looks every so often."""
    try:
        handle = os.pidfd_open(process.pid)
    except (AttributeError, OSError):

        def by_looking(seconds: float) -> bool:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            return process.returncode is not None

        yield by_looking
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        yield lambda seconds: bool(poll.poll(math.ceil(seconds * 1000)))
    finally:
        os.close(handle)


def _kill(group: int, *, reaped: bool, limits: Limits) -> None:
    """End a whole process group. After its leader was reaped, only one that could have had other members."""
    if not reaped or limits.allow_weaker:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
