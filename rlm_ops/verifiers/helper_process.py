"""A helper process that answers questions one at a time: one JSON line in, one JSON line out.

It is started at the first question, reused for all others, killed where an answer takes too long, and ends by itself
when this process does (its input closes). It knows nothing of what is asked.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.errors import MissingExtra, VerifierError

_START_SECONDS = 60.0


class HelperProcess:
    """Asks a Python script; safe to use from several threads, which then wait for one another."""

    def __init__(self, script: Path, purpose: str) -> None:
        self._script = script
        self._purpose = purpose
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._owner = 0

    def ask(self, question: dict[str, Any], timeout: float) -> float:
        """The script's answer.

        Args:
            question: What is written to the script as one JSON line.
            timeout: Seconds it may take, not counting the start of the process.

        Raises:
            VerifierError: No answer in time, the process died, or the script says it cannot judge.
            MissingExtra: The script lacks a package.
        """
        with self._lock:
            process = self._running()
            try:
                assert process.stdin is not None, "opened as a pipe"
                process.stdin.write(json.dumps(question) + "\n")
                process.stdin.flush()
                line = self._replies.get(timeout=timeout)
            except queue.Empty:
                self._stop()
                raise VerifierError(f"{self._purpose} took longer than {timeout:g} s and was stopped") from None
            except OSError as error:
                self._stop()
                raise VerifierError(f"{self._purpose} failed: its process ended ({error})") from error
            return self._read(line)

    def close(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            self._stop()

    def _read(self, line: str) -> float:
        if not line:
            self._stop()
            raise VerifierError(f"{self._purpose} failed: its process ended, perhaps for want of memory")
        reply = json.loads(line)
        if "error" in reply:
            raise VerifierError(f"{self._purpose} failed: {reply['error']}")
        return float(reply["score"])

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return self._process
        self._stop()
        self._replies = queue.SimpleQueue()
        self._owner = os.getpid()
        process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", str(self._script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C in the terminal is for this process alone
        )
        self._process = process
        threading.Thread(target=_pump, args=(process, self._replies), daemon=True).start()
        atexit.register(self.close)
        self._await_ready()
        return process

    def _await_ready(self) -> None:
        try:
            line = self._replies.get(timeout=_START_SECONDS)
        except queue.Empty:
            line = ""
        reply = json.loads(line) if line else {}
        if "missing" in reply:
            self._stop()
            missing = reply["missing"]
            raise MissingExtra(
                f"{self._purpose} needs {missing}, which is not installed: pip install 'reflectree[verify]'"
            )
        if not reply.get("ready"):
            self._stop()
            raise VerifierError(f"{self._purpose} failed: its process did not start")

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        atexit.unregister(self.close)
        process.kill()
        process.wait()
        if process.stdin is not None:
            try:
                process.stdin.close()
            except OSError:  # what was left in the buffer has nowhere to go
                pass


def _pump(process: subprocess.Popen[str], replies: queue.SimpleQueue[str]) -> None:
    """Move the process's lines into the queue; an empty string says that it ended."""
    assert process.stdout is not None, "opened as a pipe"
    with process.stdout:
        for line in process.stdout:
            replies.put(line)
    replies.put("")


MATH = HelperProcess(Path(__file__).with_name("math_script.py"), "the comparison by math-verify")
"""The process that compares mathematics."""
