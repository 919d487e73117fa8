"""Workers that die in the middle of a job: their runs are made again, and all that they may have paid counts."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.graphs.test_ray_bench import a_worker
from tests.support.virtual_time import run_virtually
from tests.training.pipelines.rig import made as generated
from tests.training.pipelines.test_pool import Fake, drained

from reflectree.graphs.workers import WorkerFailed, WorkerLost
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Answered, Began
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import NO_USAGE, Usage
from reflectree.training.files import whole_lines
from reflectree.training.pipelines.job import JobFolder
from reflectree.training.pipelines.pool import Caps, Pool
from reflectree.training.pipelines.runs import Entry, Run, Settings


class Dying(Fake):
    """Loses the worker of a run so often, then makes it."""

    def __init__(self, costs: dict[str, tuple[float, int]], dies: dict[str, int]) -> None:
        super().__init__(costs)
        self.left = Counter(dies)

    async def run(self, wanted: Run) -> Trace:
        if self.left[wanted.name]:
            self.left[wanted.name] -= 1
            raise WorkerLost("a Ray worker died (killed)")
        return await super().run(wanted)


def made(fake: Fake, cap: Budget) -> tuple[Pool, list[str], list[tuple[Usage, str]]]:
    begun, lost = list[str](), list[tuple[Usage, str]]()
    runs = [Run(name, Task("q"), 0) for name in fake.costs]
    pool = Pool(
        fake, runs, Caps(cap, Budget(calls=5)), 2, spent=NO_USAGE, elapsed=0.0,
        on_begin=lambda run: begun.append(run.name), on_lost=lambda most, said: lost.append((most, said)),
    )  # fmt: skip
    return pool, begun, lost


def test_a_lost_run_is_made_again_and_counts_in_full() -> None:
    pool, begun, lost = made(Dying({"a": (1, 2), "b": (1, 2), "c": (1, 2)}, {"b": 2}), Budget(calls=100))
    assert sorted(run_virtually(drained(pool))) == ["a", "b", "c"]
    assert Counter(begun) == {"a": 1, "b": 3, "c": 1}
    assert pool.ledger.spent.calls == 3 * 2 + 2 * 5
    assert [most.calls for most, _ in lost] == [5, 5]
    assert all(said == "a Ray worker died (killed): b is made again on another one" for _, said in lost)


def test_under_a_cap_what_is_lost_is_not_there_for_others() -> None:
    pool, _, _ = made(Dying({"a": (1, 5), "b": (1, 5), "c": (1, 5)}, {"a": 1}), Budget(calls=15))
    assert len(run_virtually(drained(pool))) == 2
    assert pool.paused == "calls"
    assert pool.ledger.spent.calls == 15


def test_a_run_that_loses_worker_after_worker_ends_the_job() -> None:
    pool, begun, lost = made(Dying({"a": (1, 2)}, {"a": 9}), Budget(calls=100))
    with pytest.raises(WorkerFailed, match="a has lost 3 workers"):
        run_virtually(drained(pool))
    assert (len(begun), len(lost)) == (3, 3)


def test_what_never_came_back_is_remembered_by_the_folder(tmp_path: Path) -> None:
    settings = Settings(blueprint={"name": "cot"}, policy="x")
    answered = Trace([Began(question="q", seq=0), Answered(answer="1", stop_reason="complete", seq=1)], run_id="b")
    most = Usage(5, 0, 100, 0, None)
    with JobFolder.open(tmp_path, settings) as job:
        for name in ("a", "b", "b"):
            job.begin(name, most)
        job.finish(answered, 1.0)
    with JobFolder.open(tmp_path, settings) as job:
        assert job.lost == Usage(10, 0, 200, 0, None)  # a, and the first try of b
        assert job.usage == Usage(10, 0, 200, 0, None)
        job.lose(most)
        assert job.usage.calls == 15


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.timeout(300)
def test_a_worker_that_is_killed_costs_the_job_its_run_once_more(tmp_path: Path, server: Remote) -> None:
    pytest.importorskip("ray")
    killed, notes = list[int](), list[str]()

    def kill_one(run: Run, entry: Entry) -> None:
        if not killed:
            killed.append(a_worker())
            os.kill(killed[0], signal.SIGKILL)

    given: dict[str, Any] = {"policy": f"{server.base_url}#loopback", "parallel": 2, "budget": Budget(calls=20)}
    report = generated(
        tmp_path / "job", 6, ray="local", ray_workers=2, cap=Budget(calls=400), on_run=kill_one, on_note=notes.append,
        **given,
    )  # fmt: skip
    assert (report.finished, report.paused) == (6, None)
    assert notes
    assert all("is made again on another one" in said for said in notes)
    generated(tmp_path / "here", 6, **given)
    first, second = ((tmp_path / name / "traces").glob("*.jsonl") for name in ("job", "here"))
    assert {path.name: path.read_bytes() for path in first} == {path.name: path.read_bytes() for path in second}
    rows = whole_lines(tmp_path / "job" / "bill.jsonl")
    assert sum("begun" in row for row in rows) == 6 + len(notes)
