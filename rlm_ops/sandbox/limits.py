"""What a sandboxed run may use, and how it ended: two values, nothing that acts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from reflectree.rlm_ops.errors import BadInput

Reason = Literal["", "error", "time", "cpu", "memory", "output", "killed"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of one run; reaching one ends it.

    Attributes:
        seconds: Wall-clock time, start of the interpreter included (some 20 ms).
        cpu_seconds: Processor time of all its threads together, in whole seconds.
        memory_mb: Address space in MiB, the interpreter's own 20 included; each thread takes 8.
        output_bytes: What it may write to standard output, and as much to standard error.
        file_mb: Size in MiB of each file it writes; all files together may take 16 times as much.
        allow_weaker: Run even where the kernel cannot isolate the code, with what protection there is.
    """

    seconds: float = 10.0
    cpu_seconds: int = 5
    memory_mb: int = 512
    output_bytes: int = 65_536
    file_mb: int = 1
    allow_weaker: bool = False

    def __post_init__(self) -> None:
        for entry in fields(self):
            if entry.name != "allow_weaker" and not getattr(self, entry.name) > 0:
                raise BadInput(f"a sandbox limit must be greater than 0: {entry.name}={getattr(self, entry.name)}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        ok: It ended by itself without an error, and passed all tests that were given.
        stdout: What it wrote, up to the limit; bytes that are not UTF-8 become U+FFFD.
        stderr: As `stdout`; the traceback of an error stands at its end.
        reason: Why it is not ok: `error` (an exception, an exit status, a failed test), `time`, `cpu`, `memory`,
            `output` (too much text, or too many or too large files), `killed` (a signal, such as a segmentation fault).
        seconds: Wall-clock time it took.
        passed: One entry a test; a test that was never reached counts as failed.
    """

    ok: bool
    stdout: str
    stderr: str
    reason: Reason
    seconds: float
    passed: tuple[bool, ...] = ()
