"""One run of the sandbox as files: a private folder, what the child is told, what it left behind when it ended."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import platform
import secrets
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.sandbox import seccomp
from reflectree.rlm_ops.sandbox.limits import Limits, Outcome, Reason

_CHILD = Path(__file__).with_name("child.py")
_TICK = 0.05  # seconds between looks at what a run has written
_MOST_FILES, _FILES_TIMES = 1000, 16
_SHARED = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/etc/ld.so.cache")
_ZONES = "/usr/share/zoneinfo"


@dataclass(slots=True)
class Job:
    """One run: its folder, its files, its deadline."""

    request: dict[str, Any]
    limits: Limits
    folder: Path
    streams: tuple[IO[bytes], IO[bytes], IO[bytes]]
    verdict: IO[bytes]
    started: float

    @property
    def command(self) -> list[str]:
        """The interpreter: isolated from the environment, without site-packages, writing no byte code."""
        flags = ("-I", "-S", "-B", "-X", "utf8")
        return [sys.executable, *flags, str(_CHILD), str(self.folder / "request")]

    @property
    def options(self) -> dict[str, Any]:
        """What both `subprocess` and `asyncio` take."""
        stdin, stdout, stderr = self.streams
        work = self.folder / "work"
        return {
            "stdin": stdin, "stdout": stdout, "stderr": stderr, "env": {}, "cwd": work, "start_new_session": True,
        }  # fmt: skip

    def patience(self) -> float:
        """Seconds to wait until the next look."""
        return min(_TICK, max(0.0, self.started + self.limits.seconds - time.monotonic()))

    def breach(self) -> Reason | None:
        """The limit that the run has passed by now, of those the kernel does not watch."""
        if time.monotonic() - self.started >= self.limits.seconds:
            return "time"
        return "output" if self._too_much() else None

    def outcome(self, status: int, stopped: Reason | None) -> Outcome:
        """What is known once the process has ended with `status`."""
        seconds = time.monotonic() - self.started
        words = self._words()
        self._check_isolation(words, status, stopped)
        passed = tuple(f"passed {number}" in words for number in range(len(self.request["tests"])))
        reason = stopped or self._reason(status, words, seconds)
        if not reason and not all(passed):
            reason = "error"
        return Outcome(not reason, self._text(1), self._text(2), reason, seconds, passed)

    def _reason(self, status: int, words: set[str], seconds: float) -> Reason:
        if self._too_much():
            return "output"
        if status == -signal.SIGXCPU or (status == -signal.SIGKILL and seconds >= self.limits.cpu_seconds):
            return "cpu"  # the latter where SIGXCPU was ignored
        if status < 0:
            return "killed"
        if status and "memory" in words:
            return "memory"
        return "error" if status else ""

    def _words(self) -> set[str]:
        """What the harness told; lines without the nonce are not its own."""
        lines = (line.partition(" ") for line in self.verdict.read().decode("utf-8", "replace").splitlines())
        return {word for nonce, _, word in lines if nonce == self.request["nonce"]}

    def _check_isolation(self, words: set[str], status: int, stopped: Reason | None) -> None:
        try:
            kind, _, why = (self.folder / "started").read_text(encoding="utf-8").partition(" ")
        except OSError:
            kind, why = "", ""
        if kind == "refused":
            raise BadInput(
                f"cannot isolate code here: {why}. Use Linux 5.13 or newer on x86_64 or aarch64, "
                "or accept less protection with Limits(allow_weaker=True)"
            )
        if kind != "locked" and stopped is None:
            detail = (self._text(2).strip().splitlines() or [f"exit status {status}"])[-1]
            raise BadInput(f"the sandbox did not start: {detail}; give it more memory_mb or cpu_seconds if it is that")
        for word in words:
            if word.startswith("setup "):
                raise BadInput(f"the set-up code of the tests failed: {word.removeprefix('setup ')}")

    def _too_much(self) -> bool:
        if any(os.fstat(stream.fileno()).st_size > self.limits.output_bytes for stream in self.streams[1:]):
            return True
        sizes = []
        with contextlib.suppress(OSError), os.scandir(self.folder / "work") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    sizes.append(entry.stat(follow_symlinks=False).st_size)
                if len(sizes) > _MOST_FILES:
                    return True
        return sum(sizes) > _FILES_TIMES * self.limits.file_mb << 20

    def _text(self, stream: int) -> str:
        return os.pread(self.streams[stream].fileno(), self.limits.output_bytes, 0).decode("utf-8", "replace")


@contextmanager
def open_job(request: dict[str, Any], stdin: str, limits: Limits) -> Iterator[Job]:
    """A private folder with all files of a run, gone afterwards. The code sees nothing of it but `work`."""
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        holder = tempfile.TemporaryDirectory(prefix="reflectree-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(holder))
        (folder / "work").mkdir()
        (folder / "stdin").write_bytes(stdin.encode("utf-8", "replace"))
        request |= {name: str(folder / name) for name in ("verdict", "started")}
        (folder / "request").write_text(json.dumps(request), encoding="utf-8")
        opened = [
            stack.enter_context(open(folder / name, mode, buffering=0))
            for name, mode in (("stdin", "rb"), ("stdout", "w+b"), ("stderr", "w+b"), ("verdict", "w+b"))
        ]
        yield Job(request, limits, folder, (opened[0], opened[1], opened[2]), opened[3], started)


def make_request(
    programs: Sequence[str], limits: Limits, *, tests: Sequence[str] = (), setup: str = ""
) -> dict[str, Any]:
    """What the child is told; see `child.main`."""
    return {
        "nonce": secrets.token_hex(16), "parent": os.getpid(), "weaker": limits.allow_weaker,
        "limits": {
            "cpu": math.ceil(limits.cpu_seconds), "memory": limits.memory_mb << 20,
            "file": max(limits.file_mb << 20, limits.output_bytes + 4096),
        },
        "readable": _readable(), "filter": _filter(),
        "programs": list(programs), "setup": setup, "tests": list(tests),
    }  # fmt: skip


@functools.cache
def _readable() -> list[str]:
    """Where the standard library and the shared libraries that it loads lie."""
    library = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    prefixes = {os.path.join(prefix, "lib") for prefix in (sys.base_prefix, sys.base_exec_prefix)}
    return [*sorted(library | prefixes), *_SHARED, _ZONES]


@functools.cache
def _filter() -> list[seccomp.Instruction] | None:
    return seccomp.program(platform.machine())
