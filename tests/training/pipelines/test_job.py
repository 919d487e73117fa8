"""A job's folder: what it remembers, what a kill may leave, and how runs are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Answered, Began, Grown
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage
from reflectree.training.buffer import Added
from reflectree.training.pipelines.job import JobFolder
from reflectree.training.pipelines.runs import Settings, run_name

SETTINGS = Settings(blueprint={"name": "cot"}, policy="scripted")


def trace(name: str, calls: int = 2) -> Trace:
    grown = Grown(
        nodes=(0,), text="Answer: 4", status="terminal", answer="4", node=1, seq=1, usage=Usage(calls, 0, 9, 3)
    )
    end = Answered(seq=2, answer="4", node=1, stop_reason="complete", correct=True)
    return Trace([Began(question="q", seq=0), grown, end], run_id=name)


def test_what_is_finished_is_remembered(tmp_path: Path) -> None:
    with JobFolder.open(tmp_path, SETTINGS) as job:
        job.finish(trace("a"), 1.5)
        job.finish(trace("b", 3), 2.5)
        job.store(["a"], Added(duplicates=2))
        job.spend_on_labels(Usage(4, 0, 1, 1))
    with JobFolder.open(tmp_path, SETTINGS) as job:
        assert (set(job.bill), job.stored, job.added.duplicates) == ({"a", "b"}, {"a"}, 2)
        assert (job.usage.calls, job.elapsed) == (9, 2.5)
        assert job.bill["a"].correct is True
        job.spend(4.0)
    with JobFolder.open(tmp_path, SETTINGS) as job:
        assert job.elapsed == 6.5


def test_a_kill_between_a_trace_and_its_line_loses_nothing(tmp_path: Path) -> None:
    with JobFolder.open(tmp_path, SETTINGS) as job:
        job.finish(trace("a"), 1.0)
    trace("b", 3).save(tmp_path / "traces" / "b.jsonl")
    trace("c")[:2].save(tmp_path / "traces" / "c.jsonl")
    with (tmp_path / "bill.jsonl").open("a") as file:
        file.write('\n{"run": "d", "usa')
    for _ in range(2):
        with JobFolder.open(tmp_path, SETTINGS) as job:
            assert (set(job.bill), job.usage.calls) == ({"a", "b"}, 5)


def test_a_trace_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    with JobFolder.open(tmp_path, SETTINGS) as job:
        job.finish(trace("a"), 1.0)
    (tmp_path / "traces" / "a.jsonl").unlink()
    with JobFolder.open(tmp_path, SETTINGS) as job:
        assert not job.bill


def test_folders_of_others(tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    trace("a").save(tmp_path / "traces" / "a.jsonl")
    with pytest.raises(BadInput, match="traces of something else"), JobFolder.open(tmp_path, SETTINGS):
        pass
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(BadInput, match="damaged"), JobFolder.open(tmp_path, SETTINGS):
        pass
    (tmp_path / "job.json").write_text('{"format": "reflectree-generation", "version": 7}')
    with pytest.raises(TraceError, match="version 7"), JobFolder.open(tmp_path, SETTINGS):
        pass


def test_names_are_fit_for_files_and_tell_tasks_and_seeds_apart() -> None:
    names = [
        run_name(Task("q", id="../../etc/pass wd\n"), 1), run_name(Task("q", id="x" * 500), 1), run_name(Task("q"), 1),
        run_name(Task("q"), 2), run_name(Task("r"), 1), run_name(Task("q", context="c"), 1),
    ]  # fmt: skip
    assert len(set(names)) == len(names)
    assert names[0].startswith("etc-pass-wd-")
    assert all(name.endswith(("-s1", "-s2")) and "/" not in name and len(name) < 90 for name in names)


def test_settings_under_which_nothing_was_made_hold_nobody(tmp_path: Path) -> None:
    other = Settings(blueprint={"name": "cot"}, policy="another")
    with JobFolder.open(tmp_path, SETTINGS) as job:
        job.checkpoint.write_bytes(b"")
        job.forget()
    with JobFolder.open(tmp_path, other) as job:
        assert not job.checkpoint.exists()
    with JobFolder.open(tmp_path, other) as job:  # begun by an earlier session: its runs may have been paid for
        job.forget()
    with pytest.raises(TraceError, match="other settings"), JobFolder.open(tmp_path, SETTINGS):
        pass


def test_settings_under_which_something_was_made_stay(tmp_path: Path) -> None:
    with JobFolder.open(tmp_path, SETTINGS) as job:
        job.finish(trace("a"), 1.0)
        job.forget()
    with JobFolder.open(tmp_path, SETTINGS) as job:
        assert set(job.bill) == {"a"}
