"""The constants of docs/scaling.md: what a call, a trace, a checkpoint, a live run and a request cost on this machine.

Each constant is measured in a process of its own and names the command that measures it again. The page's tables are
written from what was measured, and a test compares the two.

    python -m benchmarks.scaling measure                         all constants, into benchmarks/results/scaling.json
    python -m benchmarks.scaling measure --only call_cpu_ms      one of them
    python -m benchmarks.scaling measure --postgres postgresql://USER@127.0.0.1:5432/DATABASE
    python -m benchmarks.scaling page                            the tables, into docs/scaling.md
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.child import ROOT, cpu_seconds, in_child, settle
from benchmarks.report import load
from benchmarks.scaling_page import rewritten
from benchmarks.workload import REPLY, Metered, search
from reflectree.models.loopback_process import Remote

RESULTS = ROOT / "benchmarks" / "results" / "scaling.json"
PAGE = ROOT / "docs" / "scaling.md"
SLOTS, CALLS, ROUNDS = 64, 1024, 3
RUNS = 200
"""Runs at once, where the memory of one is measured."""
ITEMS = 96


def call_cpu_ms(postgres: str | None) -> list[float]:
    """Processor milliseconds of a call over HTTP: request, reply, step, score, strategy, events."""
    with Remote(reply_from=REPLY) as server:
        return [
            in_child("benchmarks.cpu:over_http", n=CALLS, slots=SLOTS, base_url=server.base_url)["ms"]
            for _ in range(ROUNDS)
        ]


def bare_cpu_ms(postgres: str | None) -> list[float]:
    """The same without HTTP: a model in this process that answers at once."""
    return [in_child("benchmarks.cpu:alone", n=CALLS, slots=SLOTS)["ms"] for _ in range(ROUNDS)]


def trace_bytes(postgres: str | None) -> list[float]:
    """Bytes of a saved trace, a call: a step of a hundred characters, its score and its backup."""
    return [in_child("benchmarks.scaling:traced", n=CALLS)["bytes"]]


def trace_gzip_bytes(postgres: str | None) -> list[float]:
    """The same, compressed."""
    return [in_child("benchmarks.scaling:traced", n=CALLS)["gzip"]]


def sqlite(postgres: str | None) -> dict[str, list[float]]:
    """A run that is checkpointed to SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            in_child("benchmarks.scaling:saved", n=CALLS, url=f"{folder}/{number}.sqlite") for number in range(ROUNDS)
        ]
    return {f"sqlite_{name}": [run[name] for run in runs] for name in runs[0]}


def in_postgres(postgres: str | None) -> dict[str, list[float]]:
    """A run that is checkpointed to Postgres; nothing where no address was given."""
    if postgres is None:
        return {}
    runs = [in_child("benchmarks.scaling:saved", n=CALLS, url=postgres) for _ in range(ROUNDS)]
    return {f"postgres_{name}": [run[name] for run in runs] for name in runs[0]}


def memory(postgres: str | None) -> dict[str, list[float]]:
    """What a live run occupies, and what it adds a call."""
    bare, small, large = (
        in_child("benchmarks.scaling:resident", runs=count, n=calls)["mb"]
        for count, calls in ((1, 8), (RUNS, 8), (RUNS, 64))
    )
    each = (small - bare) / (RUNS - 1)
    return {
        "process_mb": [bare],
        "run_kb": [1000 * each],
        "run_call_kb": [1000 * (large - small) / RUNS / (64 - 8)],
    }


def value_tokens_s(postgres: str | None) -> list[float]:
    """Tokens a second that our value server scores: a Llama of 2.6 million parameters on one core."""
    run = in_child("benchmarks.value_server:compare", hidden=256, layers=4, items=ITEMS, rounds=ROUNDS)
    return [float(value) for value in run["served"]]


def request_cpu_ms(postgres: str | None) -> list[float]:
    """Processor milliseconds that the endpoint spends on a request of one call (`cot`), the model's not counted."""
    from benchmarks import endpoint

    row = endpoint._row("aiohttp", 64, ROUNDS, 4.0)
    runs = (row.details or {})["endpoint"]
    return [1000 * run["endpoint_cpu"] / run["replies"] for run in runs]


CONSTANTS: dict[str, Callable[[str | None], list[float]]] = {
    "call_cpu_ms": call_cpu_ms,
    "bare_cpu_ms": bare_cpu_ms,
    "trace_bytes": trace_bytes,
    "trace_gzip_bytes": trace_gzip_bytes,
    "value_tokens_s": value_tokens_s,
    "request_cpu_ms": request_cpu_ms,
}
GROUPS: dict[str, Callable[[str | None], dict[str, list[float]]]] = {
    "sqlite": sqlite,
    "postgres": in_postgres,
    "memory": memory,
}


def traced(n: int) -> dict[str, float]:
    """Bytes of a trace, a call."""
    written = asyncio.run(search(Metered(), n, SLOTS)).trace.dumps().encode()
    return {"bytes": len(written) / n, "gzip": len(gzip.compress(written)) / n}


def saved(n: int, url: str) -> dict[str, float]:
    """A checkpointed run: processor time and bytes a call, and checkpoints a second of this process' own time.

    What the disk and the database take comes on top: on a busy machine the clock says little.
    """
    from reflectree.graphs.checkpoint import open_saver
    from reflectree.graphs.postgres import is_url, open_postgres

    async def to_postgres() -> dict[str, float]:
        async with open_postgres(url) as place:
            await search(Metered(), 64, 8, checkpoint=place.saver(), run_id=f"warm-{time.time_ns()}")
            settle()
            before = (await place.execute("SELECT pg_database_size(current_database()) AS size"))[0]["size"]
            run = f"scaling-{time.time_ns()}"
            figures = await timed(place.saver(), run)
            after = (await place.execute("SELECT pg_database_size(current_database()) AS size"))[0]["size"]
            made = (await place.execute("SELECT count(*) AS n FROM checkpoints WHERE thread_id = %s", (run,)))[0]["n"]
            return {**figures, "bytes": (after - before) / n, "checkpoints_s": 1000 * made / (figures["cpu_ms"] * n)}

    async def timed(saver: Any, run: str) -> dict[str, float]:
        used = cpu_seconds()
        await search(Metered(), n, SLOTS, checkpoint=saver, run_id=run)
        return {"cpu_ms": 1000 * (cpu_seconds() - used) / n}

    async def to_file() -> dict[str, float]:
        with open_saver(f"{url}.warm") as warm:
            await search(Metered(), 64, 8, checkpoint=warm, run_id="warm")
        settle()
        with open_saver(url) as saver:
            figures = await timed(saver, "run")
            made = saver.conn.execute("SELECT count(*) FROM checkpoints").fetchone()[0]
        size = sum(
            path.stat().st_size for path in Path(url).parent.glob(f"{Path(url).name}*") if "warm" not in path.name
        )
        return {**figures, "bytes": size / n, "checkpoints_s": 1000 * made / (figures["cpu_ms"] * n)}

    return asyncio.run(to_postgres() if is_url(url) else to_file())


def resident(runs: int, n: int) -> dict[str, float]:
    """Resident megabytes of a process with so many runs alive, each after `n` calls and waiting for the next."""

    async def hold() -> float:
        reached, release, count = asyncio.Event(), asyncio.Event(), [0]

        class Waiting(Metered):
            """Stops every run after its `n`th call."""

            async def complete(self, request: Any) -> Any:
                if self.calls >= n:
                    count[0] += 1
                    if count[0] >= runs:
                        reached.set()
                    await release.wait()
                return await super().complete(request)

        work = [asyncio.ensure_future(search(Waiting(), n + 1, 1)) for _ in range(runs)]
        await reached.wait()
        settle()
        megabytes = _resident_mb()
        release.set()
        await asyncio.gather(*work)
        return megabytes

    return {"mb": asyncio.run(hold())}


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _size(file: Path) -> int:
    """Bytes of a database and the files beside it, the warm-up's left out."""
    return sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*") if "warm" not in path.name)


def measure(only: Sequence[str], postgres: str | None) -> dict[str, Any]:
    """What was measured: for each constant its median and every round, and on which machine."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"constants": {}}
    found: dict[str, list[float]] = {}
    for name, constant in CONSTANTS.items():
        if not only or name in only:
            sys.stderr.write(f"{name} ({load()})\n")
            found[name] = constant(postgres)
    for name, group in GROUPS.items():
        if not only or name in only:
            sys.stderr.write(f"{name} ({load()})\n")
            found |= group(postgres)
    constants = {
        name: {"median": statistics.median(values), "rounds": values, "load": load()} for name, values in found.items()
    }
    return {
        "machine": f"{os.cpu_count()} cores, {_processor()}",
        "python": platform.python_version(),
        "constants": {**known["constants"], **constants},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> int:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("what", choices=("measure", "page"))
    parser.add_argument("--only", action="append", choices=(*CONSTANTS, *GROUPS), default=[])
    parser.add_argument("--postgres", metavar="URL", help="a database that may be written into; runs stay in it")
    options = parser.parse_args()
    if options.what == "measure":
        RESULTS.write_text(json.dumps(measure(options.only, options.postgres), indent=1) + "\n")
    else:
        PAGE.write_text(rewritten(PAGE.read_text(), json.loads(RESULTS.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
