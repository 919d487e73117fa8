"""Search over designs on a family where prompts, modules and teams measurably matter: gain, overhead, kill and resume.

    python -m benchmarks.design_search [--levels prompt,module,agent] [--seeds 3] [--seconds 600] [--quick] [--out FILE]
    python -m benchmarks.design_search --policy embedded --seconds 600 [--out FILE]

Each level's usual method searches from chain of thought with a scripted model; accuracies are those on the untouched
test part. A row is printed, and written, once it is measured; with the same file the same command goes on.

Overhead is the process's own CPU time (user and system; imports and a first small search left out, the scripted model's
own work counted in) over that time and the model's, calls times latency: its share of a run with one call at a time,
whatever else the machine does. `kill` ends a process by SIGKILL in the middle of a search and runs the search again in
another one; the model notes each request as it comes in and as it is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from benchmarks.design_search_runs import LEVELS, WIDTH, embedded, gain, kill
from benchmarks.report import load


def said(row: dict[str, Any]) -> str:
    """A row for people, on one line."""
    if row["kind"] == "kill":
        return (
            f"killed after {row['sent_before']} requests, {row['settled_before']} of them settled, {row['under_way']} "
            f"under way; {row['sent']} requests in all, {row['settled']} settled, {row['billed']} billed; "
            f"{row['paid_again']} settled ones paid again; {'the same' if row['same'] else 'another'} result as "
            f"without the kill ({row['undisturbed_calls']} requests)"
        )
    tested = row["tested"]
    words = [f"{name} {one['accuracy']:.2f} ({one['tokens']:.0f} tokens)" for name, one in tested.items()]
    words.append(f"{row['verdict']} {_interval(row['difference'])}")
    if row["difference_at_equal_cost"] is not None:
        words.append(f"at equal cost {_verdict(row['difference_at_equal_cost'])}")
    words.append(f"search {row['search_tokens']} tokens, break-even {row['break_even_tasks'] or 'never'}")
    if "cpu_s" in row:
        words.append(
            f"{row['calls']} calls, {1000 * row['cpu_s'] / row['calls']:.1f} ms CPU a call, "
            f"overhead {overhead(row):.1%}, "
            f"{row['cpu_s'] / row['wall_s']:.0%} of {row['wall_s']:.1f} s with {WIDTH} in flight"
        )
    return "; ".join(words)


def overhead(row: dict[str, Any]) -> float:
    """The share of CPU time in a run whose calls follow one another."""
    return float(row["cpu_s"] / (row["cpu_s"] + row["calls"] * row["latency_s"]))


def _verdict(interval: dict[str, float]) -> str:
    word = "gain" if interval["low"] > 0 else "loss" if interval["high"] < 0 else "no gain"
    return f"{word} {_interval(interval)}"


def _interval(interval: dict[str, float] | None) -> str:
    return "" if interval is None else f"{interval['estimate']:+.2f} [{interval['low']:+.2f}, {interval['high']:+.2f}]"


def rows(given: argparse.Namespace) -> Iterator[tuple[dict[str, Any], Callable[[float], dict[str, Any]]]]:
    """What is to be measured, by what names it, and how, given the seconds that are left."""
    if given.policy == "embedded":
        for seed in range(given.seeds):
            yield {"kind": "embedded", "level": "prompt", "seed": seed}, partial(_embedded, seed)
        return
    for kind, measure in (("gain", gain), ("kill", kill)):
        for level in given.levels:
            for seed in range(given.seeds if kind == "gain" else 1):
                key = {"kind": kind, "level": level, "seed": seed, "tasks": given.tasks, "latency_s": given.latency}
                yield key, partial(measure, level, seed, given.tasks, given.latency)


def _embedded(seed: int, left: float) -> dict[str, Any]:
    return asyncio.run(embedded(seed, left))


def measured(
    key: dict[str, Any], measure: Callable[[float], dict[str, Any]], kept: Path | None, until: float
) -> dict[str, Any] | None:
    """A row, read from the file or measured and written there; `None` where there is no time for it."""
    for line in kept.read_text().splitlines() if kept is not None and kept.exists() else []:
        row: dict[str, Any] = json.loads(line)
        if row.items() >= key.items():
            return row
    left = until - time.monotonic()
    if left <= 0:
        return None
    try:
        row = {**key, "load": load(), **measure(left)}
    except TimeoutExpired:
        return None
    if kept is not None:
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return row


def main() -> int:
    """Measure, print and write one row after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", choices=("scripted", "embedded"), default="scripted")
    parser.add_argument("--levels", type=lambda text: text.split(","), default=list(LEVELS), metavar="LEVEL,...")
    parser.add_argument("--seeds", type=int, default=3, help="searches a level")
    parser.add_argument("--seconds", type=float, default=1800.0, help="no row begins, and none goes on, after these")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds a call")
    parser.add_argument("--tasks", type=int, help="120; 60 with --quick")
    parser.add_argument("--quick", action="store_true", help="one seed, fewer tasks: a look, not a measurement")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write each row here; rows that are there stay")
    given = parser.parse_args()
    given.seeds, given.tasks = 1 if given.quick else given.seeds, given.tasks or (60 if given.quick else 120)
    wrong = [level for level in given.levels if level not in LEVELS]
    if wrong:
        parser.error(f"--levels {wrong[0]}: take {', '.join(LEVELS)}")
    until = time.monotonic() + given.seconds
    for key, measure in rows(given):
        row = measured(key, measure, given.out, until)
        name = f"{key['kind']:8} {key['level']:6} seed {key['seed']}  "
        print(name + ("not measured: the time is over" if row is None else said(row)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
