"""Data generation from end to end: what is kept, what is gone on with, what is refused, when it pauses."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.training.pipelines.rig import SPLITS, made, say, tasks

from reflectree.graphs.tasksets.base import Entry, TaskSet
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, MissingExtra, ModelError, ModelRejected, RunLocked, TraceError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.filters import read
from reflectree.training.pipelines.generation import agenerate
from reflectree.training.pipelines.runs import run_name
from reflectree.training.splits import Splits, TestTaskRefused

LABELS = ["outcome", "outcome-pairs"]


def test_every_task_becomes_a_trace_and_samples(tmp_path: Path) -> None:
    seen: list[str] = []
    report = made(
        tmp_path / "job", 5, runs=2, labels=LABELS, buffer=tmp_path / "buffer", round=3,
        on_run=lambda run, entry: seen.append(run.name),
    )  # fmt: skip
    assert (report.tasks, report.runs, report.finished, report.labelled, report.paused) == (5, 10, 10, 10, None)
    assert report.complete
    names = {run_name(task, seed) for task in tasks(5) for seed in (0, 1)}
    assert set(seen) == names == {path.stem for path in (tmp_path / "job" / "traces").iterdir()}
    for name in names:
        trace = Trace.load(tmp_path / "job" / "traces" / f"{name}.jsonl")
        assert trace.verify() == []
        assert trace.run_id == name
    samples = ReplayBuffer(tmp_path / "buffer").read("solution")
    assert {sample.origin.label for sample in samples} == {"outcome"}
    assert {sample.origin.round for sample in samples} == {3}
    assert {sample.origin.trace for sample in samples} <= names
    assert {sample.origin.seed for sample in samples} == {0, 1}
    assert report.added.stored == {
        kind: count for kind, count in ReplayBuffer(tmp_path / "buffer").stats()["kinds"].items()
    }
    assert json.loads((tmp_path / "job" / "report.json").read_bytes()) == report.to_json()


def test_asked_again_nothing_is_paid_and_more_can_be_asked(tmp_path: Path) -> None:
    first = made(tmp_path, 3)
    policy = ScriptedPolicy(say)
    again = made(tmp_path, 3, policy=policy)
    assert policy.requests == []
    assert (again.usage, again.finished) == (first.usage, 3)
    more = made(tmp_path, 5, policy=policy, runs=2)
    assert (more.runs, more.finished) == (10, 10)
    assert len(policy.requests) == more.usage.calls - first.usage.calls


def test_labels_can_be_made_later_and_only_once(tmp_path: Path) -> None:
    made(tmp_path / "job", 3)
    policy = ScriptedPolicy(say)
    labelled = made(tmp_path / "job", 3, policy=policy, labels=LABELS, buffer=tmp_path / "buffer")
    assert policy.requests == []
    assert labelled.labelled == 3
    stored = labelled.added
    again = made(tmp_path / "job", 3, labels=LABELS, buffer=tmp_path / "buffer")
    assert again.added == stored
    assert ReplayBuffer(tmp_path / "buffer").stats()["samples"] == stored.stored.total()


def test_test_tasks_are_left_out_and_splits_are_kept(tmp_path: Path) -> None:
    given = tasks(16, "train", "valid", "test")
    report = made(tmp_path / "job", given=given, labels=["outcome"], buffer=tmp_path / "buffer")
    parts = [SPLITS.of_task(task) for task in given]
    assert report.refused == parts.count("test") > 0
    assert report.tasks == len(given) - report.refused
    buffer = ReplayBuffer(tmp_path / "buffer")
    assert buffer.splits == SPLITS
    asked = {part: {task.question for task in given if SPLITS.of_task(task) == part} for part in ("train", "valid")}
    for part in asked:
        assert {sample.question for sample in buffer.read("solution", split=part)} == asked[part]  # type: ignore[arg-type]
    only = made(tmp_path / "valid", given=given, only=("valid",))
    assert only.tasks == parts.count("valid")


def test_a_set_of_test_tasks_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TestTaskRefused, match="none of the 3 tasks may be learnt from: 3 belong to the test split"):
        made(tmp_path, given=tasks(3, "test"))


@pytest.mark.parametrize("name", ["gsm8k", "mix:chain_sum|math500"])
def test_published_test_sets_are_refused(tmp_path: Path, name: str) -> None:
    taskset = TaskSet(name, 1, lambda index: Entry(Task("1 + 1?"), {}))
    with pytest.raises(TestTaskRefused, match="is a published test set"):
        made(tmp_path / "job", given=taskset)
    assert not (tmp_path / "job").exists()


def test_filters_are_applied_and_counted(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "labels": ["outcome"],
        "buffer": tmp_path / "buffer",
        "filters": [read("per-question=1")],
    }
    report = made(tmp_path / "job", 4, **options)
    assert report.added.stored == {"solution": 4}
    assert report.added.filtered["per-question=1"] > 0
    assert made(tmp_path / "job", 4, **options).added == report.added


def test_the_cap_pauses_between_runs_and_is_never_passed(tmp_path: Path) -> None:
    cap = Budget(calls=30)
    report = made(tmp_path, 6, cap=cap, parallel=3)
    assert report.paused == "calls"
    assert 0 < report.finished < 6
    assert report.usage.calls <= 30
    for path in (tmp_path / "traces").iterdir():
        end = Trace.load(path).answered
        assert end is not None
        assert not end.stop_reason.startswith("model")
    policy = ScriptedPolicy(say)
    still = made(tmp_path, 6, policy=policy, cap=cap)
    assert (still.paused, policy.requests, still.finished) == ("calls", [], report.finished)
    whole = made(tmp_path, 6, cap=Budget(calls=300))
    assert (whole.paused, whole.finished) == (None, 6)
    assert {path.name: path.read_bytes() for path in (tmp_path / "traces").iterdir()} == {
        path.name: path.read_bytes() for path in _traces_of_one_go(tmp_path)
    }


def _traces_of_one_go(tmp_path: Path) -> list[Path]:
    made(tmp_path / "whole", 6)
    return list((tmp_path / "whole" / "traces").iterdir())


def test_completions_count_against_the_cap_and_are_kept(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "blueprint": "mcts", "labels": ["math-shepherd/soft"], "buffer": tmp_path / "buffer", "rollouts": 2,
    }  # fmt: skip
    plain = made(tmp_path / "plain", 3, blueprint="mcts")
    whole = made(tmp_path / "job", 3, **options)
    assert whole.usage.calls > plain.usage.calls
    assert whole.labelled == 3
    assert {path.stem for path in (tmp_path / "job" / "rollouts").iterdir()} <= set(
        path.stem for path in (tmp_path / "job" / "traces").iterdir()
    )
    (tmp_path / "job" / "stored.jsonl").unlink()
    policy = ScriptedPolicy(say)
    again = made(tmp_path / "job", 3, policy=policy, **options)
    assert (policy.requests, again.usage) == ([], whole.usage)
    assert again.added.stored.total() == 0
    assert again.added.duplicates > 0
    cap = Budget(calls=plain.usage.calls + 1)
    short = made(tmp_path / "short", 3, cap=cap, **{**options, "buffer": tmp_path / "other"})
    assert short.paused == "calls"
    assert short.usage.calls <= plain.usage.calls + 1
    done = made(tmp_path / "short", 3, cap=Budget(calls=10_000), **{**options, "buffer": tmp_path / "other"})
    assert (done.paused, done.labelled) == (None, 3)


def test_a_cap_on_seconds_stops_runs_that_go_on_later(tmp_path: Path) -> None:
    slow = ScriptedPolicy(say, latency=0.1)
    report = made(tmp_path, 3, policy=slow, cap=Budget(seconds=0.5), parallel=3)
    assert report.paused == "seconds"
    assert report.seconds >= 0.5
    policy = ScriptedPolicy(say)
    whole = made(tmp_path, 3, policy=policy, cap=Budget(seconds=60))
    assert whole.finished == 3
    assert len(policy.requests) < whole.usage.calls  # what had settled was not paid again


def test_a_model_that_stops_answering_ends_the_session_and_loses_nothing(tmp_path: Path) -> None:
    def dying(request: Any, index: int) -> Any:
        return say(request, index) if index < 20 else ModelRejected("no more credit", 402)

    with pytest.raises(ModelError):
        made(tmp_path, 4, policy=ScriptedPolicy(dying), parallel=1)
    finished = {path.name: path.read_bytes() for path in (tmp_path / "traces").iterdir()}
    assert 0 < len(finished) < 4
    stood = json.loads((tmp_path / "report.json").read_bytes())  # data stats tells how an ended session stands
    assert (stood["finished"], stood["runs"], stood["complete"]) == (len(finished), 4, False)
    assert made(tmp_path, 4).finished == 4
    assert all((tmp_path / "traces" / name).read_bytes() == content for name, content in finished.items())


def test_the_order_of_the_buffer_is_that_of_the_plan(tmp_path: Path) -> None:
    def orders(folder: Path, parallel: int, latency: Any) -> list[str]:
        policy = ScriptedPolicy(say, latency=latency)
        made(folder / "job", 6, policy=policy, parallel=parallel, labels=["outcome"], buffer=folder / "buffer")
        return [sample.origin.trace for sample in ReplayBuffer(folder / "buffer").read("solution")]

    slow_first = orders(tmp_path / "many", 4, lambda number: 0.05 if number < 2 else 0.0)
    assert slow_first == orders(tmp_path / "one", 1, 0.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cap": Budget(tokens=500)}, r"500 tokens on the whole job needs one on each run"),
        ({"cap": Budget(calls=5)}, "one run may cost 12 calls and the whole job 5"),
        ({"labels": ["outcome"]}, "samples need a place"),
        ({"labels": ["outcme"], "buffer": "b"}, "unknown label"),
        ({"labels": ["human"], "buffer": "b"}, "data annotate"),
        ({"runs": 0}, "at least 1"),
        ({"given": []}, "there is no task"),
        ({"blueprint": "mctss"}, "mcts"),
        ({"ray": "local"}, "give them as strings"),
        ({"value_model": "x"}, "give one of them"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_paid(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    policy = ScriptedPolicy(say)
    with pytest.raises(BadInput, match=said):
        made(tmp_path / "job", policy=policy, **options)
    assert policy.requests == []


def test_a_missing_package_is_said_before_anything_is_paid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = ScriptedPolicy(say)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="needs pyarrow"):
        made(tmp_path / "job", policy=policy, labels=["outcome"], buffer=tmp_path / "buffer")
    assert not policy.requests
    assert not (tmp_path / "job").exists()


def test_other_settings_do_not_belong_into_the_folder(tmp_path: Path) -> None:
    made(tmp_path, 1)
    with pytest.raises(TraceError, match=r'other settings \(policy "scripted", not "other"\)'):
        made(tmp_path, 1, policy=ScriptedPolicy(say, name="other"))
    with pytest.raises(TraceError, match="splits"):
        made(tmp_path, 1, splits=Splits())
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(BadInput, match="holds no generated data"):
        made(tmp_path, 1)


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    slow = ScriptedPolicy(say, latency=0.2)
    options: dict[str, Any] = {"blueprint": "cot", "splits": SPLITS}
    first = asyncio.create_task(agenerate(tasks(1), tmp_path, policy=slow, **options))
    while not slow.requests:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    with pytest.raises(RunLocked, match="another process works on"):
        await agenerate(tasks(1), tmp_path, policy=ScriptedPolicy(say), **options)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(asyncio.all_tasks()) == 1


KILLED = """
import sys
from pathlib import Path
from tests.training.pipelines.rig import made
made(Path(sys.argv[1]) / "job", 12, policy=sys.argv[2] + "#loopback", parallel=3, labels=["outcome", "outcome-pairs"],
     buffer=Path(sys.argv[1]) / "buffer")
"""


@pytest.mark.slow
def test_killed_anywhere_no_finished_run_is_paid_again(tmp_path: Path, server: Remote) -> None:
    environment = dict(os.environ)
    command = [sys.executable, "-c", KILLED, str(tmp_path), server.base_url]
    traces = tmp_path / "job" / "traces"
    kept: dict[str, bytes] = {}
    for wanted in (2, 5, 8):
        process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 60
        while len(list(traces.glob("*.jsonl"))) < wanted and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.003)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        now = {path.name: path.read_bytes() for path in traces.glob("*.jsonl")}
        assert kept.items() <= now.items()
        kept = now
    subprocess.run(command, env=environment, check=True)
    done = {path.name: path.read_bytes() for path in traces.glob("*.jsonl")}
    assert kept.items() <= done.items()
    assert len(done) == 12
    paid = sum(Trace.load(path).usage.calls for path in traces.glob("*.jsonl"))
    assert server.counters()["answered"] <= paid + 3 * 3  # calls in flight at three kills, one a run
    first = ReplayBuffer(tmp_path / "buffer").stats()
    before = server.counters()["requests"]
    subprocess.run(command, env=environment, check=True)
    assert server.counters()["requests"] == before
    assert ReplayBuffer(tmp_path / "buffer").stats() == first
    assert first["tasks"] == 12
