"""What `reflectree data` shows: lines for people, one object for programs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.support.training_jobs import samples_of

from reflectree.apps import dataview
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.usage import Usage
from reflectree.training.buffer import Added, ReplayBuffer
from reflectree.training.labels import LABELS
from reflectree.training.pipelines.relabel import LabelReport
from reflectree.training.pipelines.report import GenerationReport

Out = pytest.CaptureFixture[str]


def report(paused: str | None = None) -> GenerationReport:
    added = Added(Counter({"solution": 2}), 1, Counter({"length": 3}))
    return GenerationReport(
        folder="a\x1b[31m\njob", tasks=2, refused=0, runs=4, finished=3, answered=3, correct=1, judged=2, labelled=3,
        added=added, usage=Usage(5, 0, 100, 20, 0.0), seconds=61.0, paused=paused,
    )  # fmt: skip


def test_how_a_job_stands(capsys: Out) -> None:
    dataview.print_generation(report(), False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 of 4 runs over 2 tasks, 1 of 2 right"
    assert "\x1b" not in lines[1]
    assert lines[2] == "3 runs labelled: stored solution 2; 1 duplicate refused; filtered length 3"
    dataview.print_generation(report(), True)
    assert json.loads(capsys.readouterr().out)["complete"] is False


@pytest.mark.parametrize(("cap", "option"), [("seconds", "--max-seconds"), ("usd", "--max-usd")])
def test_a_paused_job_names_the_option_that_goes_on(cap: str, option: str, capsys: Out) -> None:
    dataview.print_generation(report(cap), False)
    assert option in capsys.readouterr().out.splitlines()[-1]
    dataview.print_labels(LabelReport(traces=1, refused=2, usage=Usage(1, 0, 1, 1, 0.0), paused=cap), False)
    first, completions, last = capsys.readouterr().out.splitlines()
    assert first == "1 trace labelled, 2 test tasks left out: stored nothing new"
    assert completions.startswith("completions: 1 call")
    assert option in last


def test_statistics_of_a_buffer_and_of_a_job_with_one(tmp_path: Path, capsys: Out) -> None:
    ReplayBuffer(tmp_path / "job" / "buffer").add(samples_of("solution", 3))
    dataview.print_stats(tmp_path / "job" / "buffer", False)
    assert "kinds         solution 3" in capsys.readouterr().out.splitlines()
    (tmp_path / "job" / "job.json").write_text("{}")
    with pytest.raises(BadInput, match="no report yet"):
        dataview.print_stats(tmp_path / "job", False)
    (tmp_path / "job" / "report.json").write_text(json.dumps(report().to_json()))
    dataview.print_stats(tmp_path / "job", False)
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("tasks         2") < lines.index("buffer") < lines.index("  kinds       solution 3")
    with pytest.raises(BadInput, match="check the path"):
        dataview.print_stats(tmp_path, False)


def test_the_labels_there_are(capsys: Out) -> None:
    dataview.print_known_labels(False)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(LABELS)


def test_what_ctrl_c_left(capsys: Out) -> None:
    dataview.interrupted(report())
    dataview.interrupted(None)
    told = " ".join(capsys.readouterr().err.split())
    assert "interrupted; 3 runs kept" in told
    assert "the same command goes on" in told
    assert told.endswith("interrupted before anything was begun")
