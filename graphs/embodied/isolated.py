"""An environment in a process of its own, so that native code that crashes or hangs takes nothing else with it.

The process is a fresh Python with few environment variables (no keys), spoken to in JSON lines over pipes, and killed,
with all that it started, at a time-out, when it dies and at the end. Snapshots stay in it. One that died is begun anew
by the next reset; coming back to a state is a replay, which whoever holds the commands makes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from typing import Any

from reflectree.rlm_ops.environment import Observation
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.task import Task

KEPT_VARIABLES = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "JAVA_HOME", "VIRTUAL_ENV", "SYSTEMROOT",
    "REFLECTREE_CACHE", "XDG_CACHE_HOME",
)  # fmt: skip
"""Environment variables that the process sees, besides the path of Python's modules: where things are, and no keys."""
MOST_REPLY = 16 * 1024 * 1024
"""Bytes of a reply: more is nonsense."""


class IsolatedError(ReflectreeError):
    """The process of an environment died, hung or spoke nonsense, or the environment in it failed."""


class _Kept:
    """A snapshot that the process keeps; it is given up there when nobody here holds it any more."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number


class Isolated:
    """An `Environment` whose real one lives in a process of its own.

    Args:
        spec: Which one: a name (`textworld/coin-3`), or `module:function`, which is called with `arguments`.
        arguments: Plain values.
        seconds: Most seconds of one request; then the process is killed.
        starting: Most seconds until the environment is made.
    """

    def __init__(self, spec: str, *arguments: Any, seconds: float = 30.0, starting: float = 60.0) -> None:
        self.spec, self.arguments = spec, arguments
        self._seconds, self._starting = seconds, starting
        self._process: subprocess.Popen[bytes] | None = None
        self._said: dict[str, Any] = {}
        self._unread = b""
        self._free: list[int] = []

    @property
    def name(self) -> str:
        """The real one's name."""
        return str(self._hello["name"])

    @property
    def task(self) -> Task:
        """The real one's task, without a verifier."""
        return Task(**self._hello["task"])

    def reset(self) -> Observation:
        """Begin the episode anew, in a new process where the last one died."""
        return self._observe("reset")

    def step(self, command: str) -> Observation:
        """Carry out one command."""
        return self._observe("step", command)

    def snapshot(self) -> object | None:
        """The present state, kept in the process."""
        number = self._ask("snapshot")
        if number is None:
            return None
        kept = _Kept(number)
        weakref.finalize(kept, self._free.append, number)
        return kept

    def restore(self, snapshot: object) -> None:
        """Go back to a state."""
        if not isinstance(snapshot, _Kept):
            raise IsolatedError("this is no snapshot of this environment")
        self._ask("restore", snapshot.number)

    def refuses(self, command: str) -> str | None:
        """Why a command must not be carried out."""
        reason = self._ask("refuses", command)
        return None if reason is None else str(reason)

    def same(self, recorded: str, seen: str) -> bool:
        """Whether two observations agree, by the real one's word."""
        return bool(self._ask("same", recorded, seen))

    def kill(self) -> None:
        """End the process and all that it started, from whatever thread."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process."""
        process = self._process
        self.kill()
        self._process = None
        if process is not None:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    @property
    def _hello(self) -> dict[str, Any]:
        if not self._said:
            self._start()
        return self._said

    def _observe(self, what: str, *values: Any) -> Observation:
        said = self._ask(what, *values)
        return Observation(**{**said, "actions": tuple(said["actions"])})

    def _ask(self, what: str, *values: Any) -> Any:
        if self._process is None:
            if what not in ("reset", "refuses"):
                raise IsolatedError(f"the environment's process is gone: reset it before {what}")
            self._start()
        free, self._free[:] = list(self._free), []
        return self._exchange({"do": what, "with": values, "free": free}, self._seconds)

    def _start(self) -> None:
        self.close()
        variables = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._unread = b""
        self._free = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reflectree.graphs.embodied.isolated_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=variables,
            start_new_session=True,
        )
        try:
            self._said = self._exchange({"spec": self.spec, "with": self.arguments}, self._starting)
        except IsolatedError:
            self.close()
            raise

    def _exchange(self, request: dict[str, Any], seconds: float) -> Any:
        """Send a request and wait for its reply; whatever goes wrong with the process ends it.

        Raises:
            IsolatedError: It went wrong, or the environment said that it did.
        """
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            reply = json.loads(self._line(process.stdout.fileno(), time.monotonic() + seconds))
            if not isinstance(reply, dict) or not reply.keys() & {"ok", "error"}:
                raise ValueError("it spoke nonsense")
        except (OSError, ValueError, IsolatedError) as error:
            self.close()
            raise IsolatedError(f"the environment's process was ended: {_why(process, error)}") from error
        if "error" in reply:
            raise IsolatedError(str(reply["error"]))
        return reply["ok"]

    def _line(self, pipe: int, deadline: float) -> bytes:
        parts = [self._unread]
        waiting = select.poll()  # `select.select` knows no file above the thousandth
        waiting.register(pipe, select.POLLIN)
        while b"\n" not in parts[-1]:
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.poll(1000 * left):
                raise IsolatedError("it gave nothing in time")
            read = os.read(pipe, 1 << 16)
            if not read:
                raise IsolatedError("it died")
            parts.append(read)
            if sum(map(len, parts)) > MOST_REPLY:
                raise IsolatedError("its reply has no end")
        line, _, self._unread = b"".join(parts).partition(b"\n")
        return line


def _why(process: subprocess.Popen[bytes], error: Exception) -> str:
    """Why a process is gone; it was waited for."""
    code = process.returncode
    died = isinstance(error, OSError) or str(error) == "it died"
    return f"it died (exit code {code})" if died else str(error)
