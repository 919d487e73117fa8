"""Law 4: same seed, same model replies, same arrival order: same trace, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.engine import Oracle, search
from tests.support.virtual_time import run_virtually

ROOT = Path(__file__).parents[2]


def trace_of(seed: int, concurrency: int, latencies: list[float]) -> str:
    policy = Oracle(latency=lambda number: latencies[number % len(latencies)])
    return run_virtually(search(policy, seed=seed, concurrency=concurrency)).trace.dumps()


@settings(max_examples=12)
@given(st.integers(0, 2**31), st.integers(1, 9), st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_two_runs_of_one_process_are_equal(seed: int, concurrency: int, latencies: list[float]) -> None:
    assert trace_of(seed, concurrency, latencies) == trace_of(seed, concurrency, latencies)


def test_another_seed_gives_another_trace() -> None:
    assert trace_of(1, 4, [0.1]) != trace_of(2, 4, [0.1])


PROGRAM = """
from tests.laws.test_law_04 import trace_of
import sys
sys.stdout.write(trace_of(7, 5, [0.1, 0.7, 0.3]))
"""


@pytest.mark.slow
def test_processes_with_other_hash_seeds_are_equal() -> None:
    found = {trace_of(7, 5, [0.1, 0.7, 0.3])}
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1
