"""Traces that are there already: what cannot be labelled is counted, and what was paid for is stored in any case."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.training.pipelines.rig import SPLITS, made, say, tasks

from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.trace import Trace
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.filters import read
from reflectree.training.pipelines.labelling import Labelling, traces_in
from reflectree.training.pipelines.relabel import LabelReport, alabel, label


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    made(folder, 4, blueprint="mcts")
    return folder


def test_traces_without_a_beginning_or_an_end_are_counted(job: Path, tmp_path: Path) -> None:
    (path, whole), *_ = traces_in(job)
    cut = Trace(list(whole)[:-1], run_id=whole.run_id)
    none = Trace([], run_id="none")
    buffer = ReplayBuffer(tmp_path / "b", splits=SPLITS)
    report = label([(path, none), (path, cut)], buffer, Labelling(["outcome"]), tasks=tasks(4))
    assert (report.traces, report.unsound, report.unfinished, report.refused) == (1, 1, 1, 0)
    assert report.to_json()["stored"] == dict(report.added.stored)
    assert "added" not in report.to_json()


def test_filters_are_counted(job: Path, tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path / "b", splits=SPLITS)
    report = label(traces_in(job), buffer, Labelling(["outcome"]), tasks=tasks(4), filters=[read("length=1-2")])
    assert report.added.filtered["length=1-2"] > 0
    assert report.to_json()["filtered"] == dict(report.added.filtered)
    assert buffer.stats()["samples"] == 0


async def test_a_cap_leaves_the_rest_for_later_and_nothing_is_paid_twice(job: Path, tmp_path: Path) -> None:
    policy, buffer = ScriptedPolicy(say), ReplayBuffer(tmp_path / "b", splits=SPLITS)
    given = Labelling(["math-shepherd/soft"], policy=policy, rollouts=2, folder=tmp_path / "rollouts")

    async def session(calls: int | None) -> LabelReport:
        return await alabel(traces_in(job), buffer, given, tasks=tasks(4), cap=Budget(calls=calls))

    paused = await session(2)
    assert paused.paused == "calls"
    assert paused.usage.calls == len(policy.requests) <= 2
    done = await session(None)
    assert done.paused is None
    paid = len(policy.requests)
    again = await session(None)
    assert (again.usage.calls, len(policy.requests), again.added.stored.total()) == (0, paid, 0)


async def test_what_was_labelled_before_a_failure_is_stored(job: Path, tmp_path: Path) -> None:
    buffer, seen = ReplayBuffer(tmp_path / "b", splits=SPLITS), 0

    def fail(path: Path, samples: int) -> None:
        nonlocal seen
        seen += samples
        if seen:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await alabel(traces_in(job), buffer, Labelling(["outcome"]), tasks=tasks(4), on_trace=fail)
    assert seen > 0
    assert buffer.stats()["samples"] > 0
