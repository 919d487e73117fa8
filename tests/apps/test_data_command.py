"""`reflectree data` from end to end, in this process, against an endpoint on the loopback."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.apps.conftest import Cli

from reflectree.apps.dataview import Show
from reflectree.models.loopback_process import Remote
from reflectree.testing import LoopbackServer
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.labels import LABELS

COMMON = ("-b", "best-of-n", "-s", "scheme.strategy.n=4", "--test-share", 0.4, "--run-calls", 8)


@pytest.fixture(scope="module")
def server() -> Iterator[Remote]:
    """Half of its answers are right for half of the tasks."""
    with LoopbackServer.in_process(reply=["I see.\nAnswer: 0", "Well.\nAnswer: 1", "So.\nAnswer: 0"]) as remote:
        yield remote


@pytest.fixture
def taskset(tmp_path: Path) -> Path:
    file = tmp_path / "tasks.jsonl"
    rows = [{"id": f"t{n}", "question": f"What is left of {n} sheep by two?", "answer": str(n % 2)} for n in range(12)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_traces_samples_and_how_it_stands(cli: Cli, taskset: Path, model: str, scorer: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    command = ("data", "generate", taskset, "-o", out, "-m", model, "-e", scorer, "-l", "outcome", *COMMON)
    done = cli(*command, "-f", "per-question=2")
    assert done.code == 0
    lines = done.out.splitlines()
    tasks = len(list((out / "traces").iterdir()))
    assert 0 < tasks < 12
    assert lines[0].startswith(f"{tasks} of {tasks} runs over {tasks} tasks, ")
    assert f"traces in {out}" in lines[1]
    assert lines[2].startswith(f"{tasks} runs labelled: stored solution ")
    assert f"{tasks} to make, {12 - tasks} test task" in done.err
    assert f"{tasks}/{tasks} right so far: " in done.err
    again = cli(*command, "--json", "-q").data
    assert (again["complete"], again["finished"]) == (True, tasks)
    stats = cli("data", "stats", out / "buffer", "--json").data
    assert stats["kinds"] == again["stored"] == {"solution": stats["samples"]}
    assert stats["splits_by"]["test"] == 0.4
    said = cli("data", "stats", out).out
    assert "finished" in said
    assert "kinds       solution" in said


def test_a_paused_job_says_how_to_go_on(cli: Cli, taskset: Path, model: str, scorer: str, tmp_path: Path) -> None:
    command = ("data", "generate", taskset, "-o", tmp_path / "data", "-m", model, "-e", scorer, *COMMON)
    done = cli(*command, "--max-calls", 20, "--parallel", 1)
    assert done.code == 3
    assert "the same command with a higher --max-calls goes on" in done.out
    more = cli(*command, "--max-calls", 2000, "--json")
    assert (more.code, more.data["paused"], more.data["complete"]) == (0, None, True)


def test_labels_of_traces_that_are_there(cli: Cli, taskset: Path, model: str, scorer: str, tmp_path: Path) -> None:
    out, buffer = tmp_path / "data", tmp_path / "buffer"
    cli("data", "generate", taskset, "-o", out, "-m", model, "-e", scorer, *COMMON)
    command = ("data", "label", out, "-l", "outcome", "-l", "tree/soft", "-B", buffer, "-t", taskset)
    done = cli(*command, "--test-share", 0.4, "--round", 2)
    assert done.code == 0
    assert done.out.startswith(f"{len(list((out / 'traces').iterdir()))} traces labelled: stored labelled ")
    assert ReplayBuffer(buffer).rounds == [2]
    again = cli(*command, "--json", "-q").data
    assert (again["stored"], again["filtered"]) == ({}, {})
    other = cli(
        "data", "label", out, "-l", "outcome", "-B", tmp_path / "other", "--test-share", 0.9, "--valid-share", 0
    )
    assert "test tasks left out" in other.out


def test_completions_are_paid_once(cli: Cli, taskset: Path, model: str, scorer: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    cli("data", "generate", taskset, "-n", 3, "-o", out, "-m", model, "-e", scorer, "-b", "mcts", "--run-calls", 6)
    command = ("data", "label", out, "-l", "rollouts/values", "-t", taskset, "-m", model, "--rollouts", 2)
    short = cli(*command, "--max-calls", 1)
    assert (short.code, "paused" in short.out) == (3, True)
    first = cli(*command, "--json").data
    assert first["usage"]["calls"] > 0
    assert first["paused"] is None
    assert cli(*command, "--json").data["usage"]["calls"] == 0
    assert ReplayBuffer(out / "buffer").stats()["labels"] == {"rollouts/values": first["stored"]["valued"]}


def test_the_labels_there_are(cli: Cli) -> None:
    assert [row["name"] for row in cli("data", "labels", "--json").data["labels"]] == list(LABELS)
    assert "siblings            preferred  values" in cli("data", "labels").out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("label", "nowhere", "-l", "outcome"), "nothing at nowhere"),
        (("label", ".", "-l", "outcome"), "no trace in ."),
        (("label", "."), "no label"),
        (("label", ".", "-l", "outcom"), "unknown label"),
        (("label", ".", "-l", "outcome", "-f", "steps=x"), "cannot read the filter"),
        (("stats", "."), "is no replay buffer"),
        (("generate", "gsm8k", "-o", "d"), "is a published test set"),
        (("generate", "none.jsonl", "-o", "d"), "none.jsonl"),
        (("generate", "tasks.jsonl", "-o", "d", "--split-key", "name"), "no key function"),
        (("generate", "tasks.jsonl", "-o", "d", "--max-usd", "1"), "--run-usd"),
        (("generate", "tasks.jsonl", "-o", "d", "-e", "a:b", "--value-model", "tei"), "give one of them"),
    ],
)
def test_what_cannot_work_is_one_line(
    cli: Cli, taskset: Path, monkeypatch: pytest.MonkeyPatch, model: str, command: tuple[str, ...], said: str
) -> None:
    (taskset.parent / "empty").mkdir()
    monkeypatch.chdir(taskset.parent if command[0] == "generate" else taskset.parent / "empty")
    (taskset.parent / "a.py").write_text("def b(path): return 0.5\n")
    given = (*command, "-m", model) if command[0] == "generate" else command
    done = cli("data", *given)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_model_that_is_not_there_binds_nobody(
    cli: Cli, taskset: Path, model: str, scorer: str, tmp_path: Path
) -> None:
    command = ("data", "generate", taskset, "-o", tmp_path / "data", "-e", scorer, *COMMON)
    wrong = cli(*command, "-m", model.replace("#loopback", "#loopbak"))
    assert wrong.code == 4
    assert "has no model" in wrong.err
    assert cli(*command, "-m", model).code == 0


def test_ctrl_c_while_labelling_says_how_to_go_on(
    cli: Cli, taskset: Path, model: str, scorer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    assert cli("data", "generate", taskset, "-o", out, "-m", model, "-e", scorer, *COMMON).code == 0
    with monkeypatch.context() as patched:
        patched.setattr(Show, "trace", lambda *given: os.kill(os.getpid(), signal.SIGINT))
        done = cli("data", "label", out, "-l", "outcome")
    assert done.code == 130
    assert "interrupted, what is done is kept" in done.err
    assert cli("data", "label", out, "-l", "outcome").code == 0
    assert ReplayBuffer(out / "buffer").stats()["samples"] > 0


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(cli: Cli, taskset: Path, scorer: str, tmp_path: Path) -> None:
    out = tmp_path / "data"

    def interrupt() -> None:
        while len(list(out.glob("traces/*.jsonl"))) < 2:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    with LoopbackServer.in_process(reply="Answer: 1", latency=0.2) as slow:
        model = f"{slow.base_url}#loopback"
        command = ("data", "generate", taskset, "-o", out, "-m", model, "-e", scorer, "--parallel", 1, *COMMON)
        threading.Thread(target=interrupt, daemon=True).start()
        done = cli(*command)
        assert done.code == 130
        assert f"kept in {out}: the same command goes on" in done.err
        kept = {path.name: path.read_bytes() for path in out.glob("traces/*.jsonl")}
        assert json.loads(cli("data", "stats", out, "--json").out)["finished"] == len(kept)
        whole = cli(*command)
    assert whole.code == 0
    assert all((out / "traces" / name).read_bytes() == content for name, content in kept.items())
