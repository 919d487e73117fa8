"""The arithmetic of docs/scaling.md: from constants that were measured to boxes, gigabytes and hours.

Formulas are functions of plain numbers, so that a reader can redo them; the page's tables are written from them,
between markers, and a test writes them again. Nothing here measures anything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHARE = 0.7
"""The share of a processor that is planned with: the rest is for bursts, garbage and the operating system."""
NAMES = {
    "call_cpu_ms": ("CPU a call over HTTP, 64 in flight", "ms", "--only call_cpu_ms"),
    "bare_cpu_ms": ("the same without HTTP", "ms", "--only bare_cpu_ms"),
    "trace_bytes": ("trace file a call", "bytes", "--only trace_bytes"),
    "trace_gzip_bytes": ("the same, gzip", "bytes", "--only trace_gzip_bytes"),
    "sqlite_cpu_ms": ("CPU a call with SQLite checkpoints (no HTTP)", "ms", "--only sqlite"),
    "sqlite_bytes": ("SQLite a call", "bytes", "--only sqlite"),
    "sqlite_checkpoints_s": ("SQLite checkpoints a second of a core", "/s", "--only sqlite"),
    "postgres_cpu_ms": ("CPU a call with Postgres checkpoints (no HTTP)", "ms", "--only postgres --postgres URL"),
    "postgres_bytes": ("Postgres a call", "bytes", "--only postgres --postgres URL"),
    "postgres_checkpoints_s": ("Postgres checkpoints a second of our core", "/s", "--only postgres --postgres URL"),
    "process_mb": ("memory of a process with one run", "MB", "--only memory"),
    "run_kb": ("memory of one more live run of 8 calls", "kB", "--only memory"),
    "run_call_kb": ("memory of one more call of a live run", "kB", "--only memory"),
    "value_tokens_s": ("value server, 2.6M-parameter Llama, one core", "tokens/s", "--only value_tokens_s"),
    "request_cpu_ms": ("CPU of the endpoint a `cot` request", "ms", "--only request_cpu_ms"),
}
"""What each constant is, its unit, and the options that measure it again."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done.

    Attributes:
        tasks: Tasks.
        calls: Calls a task (samples, expansions).
        tokens: Tokens written a call.
        hours: In which time.
    """

    tasks: int
    calls: int
    tokens: int
    hours: float

    @property
    def all_calls(self) -> int:
        """tasks x calls."""
        return self.tasks * self.calls

    @property
    def rate(self) -> float:
        """Calls a second: tasks x calls / (3600 x hours)."""
        return self.all_calls / (3600 * self.hours)

    @property
    def token_rate(self) -> float:
        """Written tokens a second."""
        return self.rate * self.tokens


def calls_per_core(call_cpu_ms: float) -> float:
    """Calls a second that one controller process (one core) sustains: 1000 x 0.7 / CPU ms a call."""
    return 1000 * SHARE / call_cpu_ms


def processes(rate: float, call_cpu_ms: float) -> int:
    """Controller processes for a rate of calls."""
    return max(1, math.ceil(rate / calls_per_core(call_cpu_ms)))


def in_flight(rate: float, latency_s: float) -> int:
    """Calls in flight at once (Little's law): rate x latency."""
    return math.ceil(rate * latency_s)


def gigabytes(calls: int, each_bytes: float) -> float:
    """Disk of so many calls."""
    return calls * each_bytes / 1e9


def gpus(token_rate: float, gpu_tokens_s: float) -> int:
    """GPUs that write so many tokens a second, given what one does (measure yours: nothing here did)."""
    return math.ceil(token_rate / gpu_tokens_s)


def gpu_value_tokens_s(parameters: float, flops: float, used: float = 0.3) -> float:
    """Tokens a second that a GPU scores: used x FLOP/s / (2 x parameters); `used` is the share of the peak reached."""
    return used * flops / (2 * parameters)


def median(results: Mapping[str, Any], name: str) -> float:
    """A constant."""
    return float(results["constants"][name]["median"])


def number(value: float) -> str:
    """A figure with three digits that mean something."""
    if value >= 1000:
        return f"{round(value, 2 - math.floor(math.log10(value))):,.0f}"
    return f"{value:.3g}"


def constants(results: Mapping[str, Any]) -> str:
    """The table of what was measured."""
    rows = [
        f"| {words} | {number(median(results, name))} {unit} | `python -m benchmarks.scaling measure {options}` |"
        for name, (words, unit, options) in NAMES.items()
        if name in results["constants"]
    ]
    head = f"Measured on {results['machine']}, Python {results['python']}; medians, all rounds are in the file.\n\n"
    return head + "\n".join(["| constant | median | measured by |", "|---|---|---|", *rows])


EXAMPLES = {
    "one box: 200 tasks x 32 calls in an hour": Work(200, 32, 300, 1.0),
    "overnight: 10,000 tasks x 64 samples in 10 hours": Work(10_000, 64, 400, 10.0),
    "a fleet of 8 GPUs: 100,000 tasks x 64 calls in 36 hours": Work(100_000, 64, 400, 36.0),
}
IN_A_RUN = 8
"""Calls in flight in one run: `--concurrency`."""
LATENCY_S, GPU_TOKENS_S = 8.0, 2500.0
"""Assumed, not measured: seconds a call of 400 tokens takes on a busy server, and what one GPU writes a second."""


def examples(results: Mapping[str, Any]) -> str:
    """The worked examples."""
    cpu, trace = median(results, "call_cpu_ms"), median(results, "trace_bytes")
    head = "| | " + " | ".join(EXAMPLES) + " |"
    works = list(EXAMPLES.values())

    def row(words: str, values: list[str]) -> str:
        return f"| {words} | " + " | ".join(values) + " |"

    return "\n".join(
        [
            head,
            "|---" * (1 + len(works)) + "|",
            row("calls = tasks x calls a task", [f"{w.all_calls:,}" for w in works]),
            row("calls/s = calls / (3600 x hours)", [number(w.rate) for w in works]),
            row(f"in flight = calls/s x {LATENCY_S:g} s", [f"{in_flight(w.rate, LATENCY_S):,}" for w in works]),
            row(
                f"runs at once (`--ray-workers`, `--parallel`) = in flight / {IN_A_RUN}",
                [f"{math.ceil(in_flight(w.rate, LATENCY_S) / IN_A_RUN):,}" for w in works],
            ),
            row(
                f"controller processes = calls/s / (1000 x {SHARE:g} / {number(cpu)})",
                [str(processes(w.rate, cpu)) for w in works],
            ),
            row("tokens/s written = calls/s x tokens a call", [number(w.token_rate) for w in works]),
            row(f"GPUs at {GPU_TOKENS_S:,.0f} tokens/s each", [str(gpus(w.token_rate, GPU_TOKENS_S)) for w in works]),
            row(
                f"traces = calls x {number(trace)} bytes",
                [f"{number(gigabytes(w.all_calls, trace))} GB" for w in works],
            ),
            row(
                f"SQLite = calls x {number(median(results, 'sqlite_bytes'))} bytes",
                [f"{number(gigabytes(w.all_calls, median(results, 'sqlite_bytes')))} GB" for w in works],
            ),
        ]
    )


def limits(results: Mapping[str, Any]) -> str:
    """What one core or one server takes, in the order in which it breaks."""
    cpu, request = median(results, "call_cpu_ms"), median(results, "request_cpu_ms")
    run, call = median(results, "run_kb"), median(results, "run_call_kb")
    saved = cpu + median(results, "sqlite_cpu_ms") - median(results, "bare_cpu_ms")
    rows = [
        "| the model | its own tokens/s | more GPUs, `--ray` does not help |",
        f"| one controller process | {number(calls_per_core(cpu))} calls/s "
        f"({number(calls_per_core(saved))} with SQLite checkpoints) | more processes: `--ray-workers`, or several "
        "endpoints |",
        f"| the endpoint | {number(calls_per_core(request))} `cot` requests/s a process | several behind a proxy, "
        "Postgres for all |",
        f"| SQLite | {number(median(results, 'sqlite_checkpoints_s'))} checkpoints/s, one writer | Postgres |",
        f"| memory | {number(1e6 / (run + 56 * call))} live runs of 64 calls a GB | fewer at once, more processes |",
        "| files | one a run with `--traces` | folders take millions, tools that list them do not: split the set |",
    ]
    if "postgres_checkpoints_s" in results["constants"]:
        each = number(median(results, "postgres_checkpoints_s"))
        rows.insert(4, f"| Postgres | {each} checkpoints/s a controller process | a larger server |")
    return "\n".join(["| what | takes | then |", "|---|---|---|", *rows])


BLOCKS = {"constants": constants, "examples": examples, "limits": limits}


def rewritten(page: str, results: Mapping[str, Any]) -> str:
    """The page with its tables as these results make them."""
    for name, block in BLOCKS.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = block(results)
        page = between.sub(lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", page)  # type: ignore[misc]
    return page
