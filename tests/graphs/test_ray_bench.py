"""Benchmarks on a local Ray cluster: the traces of one process, one cap for all, and workers that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.graphs.test_benching import half, small, speaker, task_file

from reflectree.graphs.benching import Outcome, Report, bench
from reflectree.models.loopback_process import Remote
from reflectree.models.words import ModelWords
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.testing import LoopbackServer

on_ray = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
slowly = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[2]
NAMES = ("cot", "mcts")
SCORER = "def score(path):\n    return 0.25 if path.answer == '4' else 0.5\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
    with LoopbackServer.in_process(reply_from="tests.graphs.ray_replies:reply", latency=0.02) as remote:
        yield remote


def traces(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jsonl")}


def bare(found: Report) -> list[Outcome]:
    return [replace(outcome, wall_s=0) for outcome in found.outcomes]


@pytest.mark.slow
@on_ray
@slowly
def test_two_workers_make_the_traces_of_one_process(tmp_path: Path, server: Remote) -> None:
    tasks, policy = task_file(tmp_path, 3), ModelWords(name=f"{server.base_url}#loopback")
    common: dict[str, Any] = {
        "tokens": 1500,
        "policy": policy,
        "judge": f"{server.base_url}#loopback",
        "concurrency": 1,
    }
    here = bench(tasks, small(*NAMES), traces=tmp_path / "here", out=tmp_path / "here.jsonl", **common)
    seen = list[str]()
    there = bench(
        tasks, small(*NAMES), traces=tmp_path / "there", out=tmp_path / "there.jsonl", ray="local", ray_workers=2,
        on_outcome=lambda outcome, result: seen.append(outcome.task), **common,
    )  # fmt: skip
    assert len(seen) == 12
    assert traces(tmp_path / "there") == traces(tmp_path / "here")
    assert len(traces(tmp_path / "there")) == 12
    assert bare(there) == bare(here)
    assert there.differences == here.differences
    before = server.counters()["answered"]
    assert bare(bench(tasks, small(*NAMES), out=tmp_path / "there.jsonl", **common)) == bare(here)
    assert server.counters()["answered"] == before  # a file goes on with Ray and without


@pytest.mark.slow
@on_ray
@slowly
def test_a_worker_that_dies_is_counted_in_full_said_and_its_run_made_again(tmp_path: Path, server: Remote) -> None:
    tasks, notes = task_file(tmp_path, 4), list[str]()
    killed = list[int]()

    def kill_one(outcome: Outcome, _: object) -> None:
        """Kill a worker as soon as the first run has come back."""
        if not killed:
            killed.append(a_worker())
            os.kill(killed[0], signal.SIGKILL)

    policy = ModelWords(name=f"{server.base_url}#loopback", price=(1.0, 2.0))
    found = bench(
        tasks, small(*NAMES), tokens=1500, policy=policy, judge=policy, ray="local", ray_workers=2, concurrency=2,
        cap=Budget(tokens=40 * 1500), out=tmp_path / "out.jsonl", on_outcome=kill_one, on_note=notes.append,
    )  # fmt: skip
    assert found.complete
    assert killed
    assert notes
    assert all("a Ray worker died" in said and "is made again on another one" in said for said in notes)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()[1:]]
    begun = [row for row in rows if "begun" in row]
    assert len(begun) == 16 + len(notes)  # what a dead worker had paid is not known: all of it counts
    again = bench(
        tasks, small(*NAMES), tokens=1500, policy=policy, judge=policy, concurrency=2, out=tmp_path / "out.jsonl"
    )
    assert bare(again) == bare(found)


def a_worker() -> int:
    """The process of a worker of this test's own cluster."""
    mine = {os.getpid()}
    for _ in range(3):  # raylet, then its workers
        listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()]
        for pid, parent, words in rows:
            if int(parent) in mine and "ray::Worker" in words:
                return int(pid)
            if int(parent) in mine:
                mine.add(int(pid))
    raise AssertionError(f"no worker below {mine}")


@pytest.mark.slow
@on_ray
@slowly
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_after_a_blow_no_settled_run_is_paid_again(blow: signal.Signals, tmp_path: Path, server: Remote) -> None:
    tasks = task_file(tmp_path, 6)
    scorer = tmp_path / "scorer.py"
    scorer.write_text(SCORER)
    out = tmp_path / "out.jsonl"
    command = [
        sys.executable, "-m", "reflectree", "bench", tasks.name, "-b", "cot,mcts", "-t", "1500", "--ray", "local",
        "--ray-workers", "2", "-m", f"{server.base_url}#loopback", "-e", f"{scorer}:score", "-o", str(out), "--json",
        "-s", "operators.generate.max_tokens=20", "--max-tokens", str(60 * 1500),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and _outcomes(out) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(blow)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (-9 if blow == signal.SIGKILL else 130), said
    kept = _outcomes(out)
    assert 3 <= kept < 24
    if blow == signal.SIGINT:
        assert f"interrupted; {kept} runs kept" in said
    before = server.counters()["answered"]
    time.sleep(2)
    settled = server.counters()["answered"]
    time.sleep(1)
    assert server.counters()["answered"] == settled, f"somebody goes on paying: {settled - before}"
    again = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{24 - kept} runs left" in again.stderr
    data = json.loads(again.stdout)
    assert (data["complete"], data["n"]) == (True, 6)
    names = [(row["blueprint"], row["task"]) for row in _rows(out) if "task" in row]
    assert len(names) == len(set(names)) == 24


def _rows(out: Path) -> list[dict[str, Any]]:
    if not out.exists():
        return []
    whole = out.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.splitlines()[1:]]


def _outcomes(out: Path) -> int:
    return sum("task" in row for row in _rows(out))


@pytest.mark.slow
@on_ray
@slowly
def test_what_a_worker_cannot_reach_is_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9"):
        bench(task_file(tmp_path, 1), small("cot"), tokens=2000, policy="http://127.0.0.1:9/v1#none", ray="local")
    import ray

    assert not ray.is_initialized()


def test_what_cannot_be_sent_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    tasks, policy = task_file(tmp_path, 1), speaker()
    with pytest.raises(BadInput, match=r"give them as strings, not as objects \(the policy is one\)"):
        bench(tasks, small("cot"), tokens=400, policy=policy, ray="local")
    with pytest.raises(BadInput, match="the judge is one"):
        bench(tasks, small("cot"), tokens=400, policy="embedded", judge=policy, ray="local")
    with pytest.raises(BadInput, match="a memory lies on this machine"):
        bench(tasks, small("cot"), tokens=400, policy="embedded", memory="somewhere", ray="local")
    with pytest.raises(BadInput, match="give ray=, too"):
        bench(tasks, small("cot"), tokens=400, policy="embedded", ray_workers=3)
    with pytest.raises(BadInput, match="check the address, or use local"):
        bench(tasks, small("cot"), tokens=400, policy="embedded", ray="127.0.0.1:1")
    assert policy.samples == 0


def test_a_cap_on_the_whole_pauses_between_runs_and_goes_on(tmp_path: Path) -> None:
    tasks, out = task_file(tmp_path, 3), tmp_path / "out.jsonl"
    given: dict[str, Any] = {"tokens": 400, "evaluator": half, "out": out}
    first = bench(tasks, small("cot", "mcts"), policy=speaker(), cap=Budget(tokens=1500), **given)
    assert first.paused == "tokens"
    assert sum(outcome.tokens for outcome in first.outcomes) <= 1500
    assert not first.complete
    silent = speaker()
    again = bench(tasks, small("cot", "mcts"), policy=silent, cap=Budget(tokens=1500), **given)
    assert (again.paused, silent.samples) == ("tokens", 0)
    whole = bench(tasks, small("cot", "mcts"), policy=speaker(), cap=Budget(tokens=20_000), **given)
    assert (whole.paused, whole.complete) == (None, True)
    assert bare(whole) == bare(bench(tasks, small("cot", "mcts"), policy=speaker(), tokens=400, evaluator=half))


def test_a_run_that_was_begun_and_never_ended_counts_in_full(tmp_path: Path) -> None:
    tasks, out = task_file(tmp_path, 1), tmp_path / "out.jsonl"
    given: dict[str, Any] = {"tokens": 400, "evaluator": half, "out": out}
    bench(tasks, small("cot"), policy=speaker(), cap=Budget(tokens=5000), **given)
    lines = out.read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"blueprint": "best-of-n"' not in line]
    assert len(kept) == len(lines) - 1
    out.write_text("".join(kept))
    paid = sum(row["prompt_tokens"] + row["completion_tokens"] for row in map(json.loads, kept) if "task" in row)
    short = bench(tasks, small("cot"), policy=speaker(), cap=Budget(tokens=paid + 799), **given)
    assert short.paused == "tokens"  # 400 for the lost run, 400 for the one that is wanted
    enough = bench(tasks, small("cot"), policy=speaker(), cap=Budget(tokens=paid + 800), **given)
    assert enough.complete


@pytest.mark.parametrize(
    ("cap", "said"),
    [
        (Budget(tokens=399), "raise its cap"),
        (Budget(usd=1.0), "needs the price of every model"),
        (Budget(calls=100), "is on tokens or dollars"),
        (Budget(seconds=100), "is on tokens or dollars"),
    ],
)
def test_caps_that_cannot_hold_are_refused(cap: Budget, said: str, tmp_path: Path) -> None:
    policy = speaker()
    policy.price = None
    with pytest.raises(BadInput, match=said):
        bench(task_file(tmp_path, 1), small("cot"), tokens=400, policy=policy, cap=cap)
    assert policy.samples == 0
