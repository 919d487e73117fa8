"""Measured code runs in a process of its own, so that nothing else is on its bill.

`in_child("benchmarks.cpu:expansions", n=64)` calls that function in a fresh process; `python -m benchmarks.child` is
what runs there. Arguments and results are JSON.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def start(target: str, environment: Mapping[str, str] | None = None, **arguments: Any) -> subprocess.Popen[str]:
    """Start `module:function` in a process of its own; its result is the last line it writes."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.child", target, json.dumps(arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def in_child(target: str, **arguments: Any) -> Any:
    """The result of `module:function`, called in a process of its own.

    Raises:
        RuntimeError: It failed; what it wrote to standard error has been shown.
    """
    with start(target, **arguments) as process:
        written = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"{target} ended with {process.returncode}: see its message above")
    return json.loads(written.splitlines()[-1])


def cpu_seconds() -> float:
    """Processor time of this process so far, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def settle() -> None:
    """Leave the garbage of what ran before to what ran before."""
    gc.collect()


def peak_mb() -> float:
    """Peak resident set of this process in MB; unlike `ru_maxrss`, without what it inherited from its parent."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Call the function named by the first argument with the JSON of the second, and write what it returns."""
    module, _, function = sys.argv[1].partition(":")
    result = getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
