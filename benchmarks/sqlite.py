"""What saving every superstep to SQLite costs: processor time, bytes, memory, and the time to load it all again."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.child import cpu_seconds, in_child, peak_mb, settle
from benchmarks.report import Row
from benchmarks.workload import Metered, search

MOST_MS = {8: 1.0, 64: 0.3}
RUN_ID = "bench"


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    rounds, n = (1, 2000) if quick else (3, 10_000)
    rows = []
    for slots, most in MOST_MS.items():
        runs = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/runs.sqlite"
                saved = in_child("benchmarks.sqlite:save", n=n, slots=slots, path=path)
                runs.append({**saved, **in_child("benchmarks.sqlite:reload", n=n, path=path)})
        middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        at = f"{n:,} expansions, SQLite, {slots} slots"
        note = f"min {min(run['ms'] for run in runs):.3f}, wall {middle['wall_s']:.1f} s"
        rows += [
            Row(f"CPU an expansion, {at}", middle["ms"], " ms", at_most=most, note=note, details={"runs": runs}),
            Row(f"file, {at}", middle["file_mb"], " MB", at_most=20),
            Row(f"peak memory, {at}", middle["peak_mb"], " MB", at_most=200),
            Row(
                f"reload in a fresh process, {at}",
                middle["reload_s"],
                " s",
                at_most=1,
                note=f"CPU {middle['reload_cpu_s']:.2f} s, min {min(run['reload_s'] for run in runs):.2f} s",
            ),
        ]
    return rows


def save(n: int, slots: int, path: str) -> dict[str, float]:
    """One saved run."""
    asyncio.run(search(Metered(), 256, slots, checkpoint=f"{path}.warm"))
    settle()
    started, before = time.perf_counter(), cpu_seconds()
    result = asyncio.run(search(Metered(), n, slots, checkpoint=path, run_id=RUN_ID))
    used, wall = cpu_seconds() - before, time.perf_counter() - started
    assert result.nodes == n, f"{result.nodes} of {n} expansions: {result.stop_reason}"
    files = [file for file in Path(path).parent.glob(f"{Path(path).name}*") if ".warm" not in file.name]
    return {
        "ms": 1000 * used / n,
        "wall_s": wall,
        "file_mb": sum(file.stat().st_size for file in files) / 1e6,
        "peak_mb": peak_mb(),
    }


def reload(n: int, path: str) -> dict[str, float]:
    """The trace loaded from the checkpoint and folded into its structure; imports are not on the bill."""
    from reflectree.graphs.run import saved_trace
    from reflectree.rlm_ops.structure import fold

    started, before = time.perf_counter(), cpu_seconds()
    structure = fold(saved_trace(RUN_ID, path))
    wall, used = time.perf_counter() - started, cpu_seconds() - before
    assert len(structure) == n + 1, f"{len(structure) - 1} of {n} nodes came back"
    return {"reload_s": wall, "reload_cpu_s": used}
