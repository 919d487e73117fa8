"""Measure the figures one after the other and print them as one table."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from benchmarks.report import Row, load, table, write

FIGURES = (
    "wall", "cpu", "strategies", "adaptive", "sqlite", "faults", "kill", "ideal", "peers",
    "prefix", "value_server", "memory", "discovery", "endpoint",
)  # fmt: skip


def main() -> int:
    """Run what was asked for; 1 only with `--strict` and a target missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=FIGURES, action="append", metavar="NAME", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer runs: a look, not a measurement")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything measured to this JSON file")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    parser.add_argument("--embedded", action="store_true", help="also on the embedded model, where a figure can (long)")
    options = parser.parse_args()
    rows: list[Row] = []
    loads = [load()]
    for name in options.only or FIGURES:
        started = time.monotonic()
        sys.stderr.write(f"{name}: measuring ({load()})\n")
        module = importlib.import_module(f"benchmarks.{name}")
        rows += module.measure(options.quick)
        if options.embedded and hasattr(module, "embedded"):
            rows += module.embedded(options.quick)
        loads.append(load())
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s ({loads[-1]})\n")
        if options.out:  # after each figure, so that an interrupted run leaves what it has
            write(options.out, rows, loads, options.quick)
    print(table(rows))
    print(f"\n{loads[0]} at the start, {loads[-1]} at the end; medians of {1 if options.quick else 3} runs")
    return int(options.strict and any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
