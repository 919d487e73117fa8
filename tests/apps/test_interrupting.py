"""Ctrl-C and SIGTERM: the run is saved, its resumption is told, and nothing that was settled is paid again."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.apps.conftest import STEPS, Cli, Done

from reflectree.apps.store import open_place, unfinished
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.trace import Trace
from reflectree.testing import LoopbackServer


@pytest.fixture
def slow() -> Iterator[Remote]:
    with LoopbackServer.in_process(reply=STEPS, latency=0.05) as remote:
        yield remote


def signal_once(server: Remote, number: signal.Signals, answered: int) -> threading.Thread:
    """Send this process a signal once the server has answered so often."""

    def wait_and_send() -> None:
        while server.counters()["answered"] < answered:
            pass
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait_and_send, daemon=True)
    thread.start()
    return thread


def resume_command(done: Done) -> list[str]:
    (line,) = [line for line in done.err.splitlines() if "go on with:" in line]
    program, *arguments = shlex.split(line.partition("go on with:")[2])
    assert program == "reflectree"
    return arguments


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("named", [False, True])
def test_an_interrupted_run_goes_on_where_it_was(
    number: signal.Signals, named: bool, cli: Cli, slow: Remote, scorer: str, tmp_path: Path
) -> None:
    trace, kept = tmp_path / "run.jsonl", ["--checkpoint", tmp_path / "runs.sqlite"] if named else []
    sender = signal_once(slow, number, answered=10)
    done = cli(
        *("solve", "Make 24.", "-m", f"{slow.base_url}#loopback", "-e", scorer, "-n", 40, "-j", 4, "-o", trace),
        *("--run-id", "mine", "-v", "numeric:24", "--json", *kept),
    )
    sender.join()
    assert (done.code, done.out) == (130, "")
    partial = Trace.load(trace)
    assert partial.damage == ""
    assert partial.answered is None
    saved = partial.usage.calls
    assert 6 <= saved < 40
    assert f"interrupted, {saved} calls saved" in done.err

    arguments = resume_command(done)
    assert arguments[:2] == ["resume", "mine"]
    resumed = cli(*arguments)
    assert resumed.code == 0
    assert resumed.data["usage"]["calls"] == 40
    assert resumed.data["selected_correct"] is True
    assert f"going on with run mine: {saved} calls so far" in resumed.err
    whole = Trace.load(trace)
    assert whole.verify() == []
    assert whole[: len(partial)] == partial
    assert slow.counters()["requests"] <= 40 + 4 + 4
    assert unfinished() == []


def test_more_budget_can_be_given_when_going_on(cli: Cli, slow: Remote, scorer: str) -> None:
    sender = signal_once(slow, signal.SIGINT, answered=6)
    cli("solve", "Make 24.", "-m", f"{slow.base_url}#loopback", "-e", scorer, "-n", 20, "-j", 4, "--run-id", "mine")
    sender.join()
    listed = cli("resume")
    assert listed.out.startswith("mine  ")
    assert "Make 24." in listed.out
    with open_place("mine", None) as place:
        assert (place.recollect() or {})["calls"] == 20
    assert cli("resume", "mine", "-n", 24, "--json").data["usage"]["calls"] == 24
    assert cli("resume").out == ""


def test_a_failed_new_question_leaves_an_interrupted_run_alone(cli: Cli, slow: Remote, scorer: str) -> None:
    asked = ["-m", f"{slow.base_url}#loopback", "-e", scorer, "-n", 20, "-j", 4, "--run-id", "mine"]
    sender = signal_once(slow, signal.SIGINT, answered=6)
    cli("solve", "Make 24.", *asked)
    sender.join()
    assert cli("solve", "Make 25.", *asked).code == 2
    with open_place("mine", None) as place:
        assert (place.recollect() or {})["question"] == "Make 24."
    assert cli("solve", "Make 24.", *asked, "--json").data["usage"]["calls"] == 20


def test_what_was_paid_is_kept_when_the_endpoint_goes_away(cli: Cli, scorer: str, tmp_path: Path) -> None:
    """Nothing has an answer yet: the run fails, and can be gone on with."""
    with LoopbackServer.in_process(reply=[f"step {n}" for n in range(99)], latency=0.02, models=["m"]) as first:
        sender = signal_once(first, signal.SIGINT, answered=6)
        asked = ["solve", "Q?", "-m", f"{first.base_url}#m", "-e", scorer, "-n", 30, "-j", 2, "--run-id", "mine"]
        cli(*asked)
        sender.join()
    gone = cli("resume", "mine")
    assert gone.code == 4
    assert "go on with:  reflectree resume mine" in gone.err
    with LoopbackServer.in_process(reply=STEPS) as second:
        done = cli("resume", "mine", "-m", f"{second.base_url}#loopback", "--json")
    assert (done.code, done.data["usage"]["calls"]) == (0, 30)


@pytest.mark.slow
def test_ctrl_c_to_a_process_of_its_own(slow: Remote, scorer: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reflectree"]
    asked = ["solve", "Make 24.", "-m", f"{slow.base_url}#loopback", "-e", scorer, "-n", "60", "-j", "4", "--json"]
    process = subprocess.Popen([*command, *asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while slow.counters()["answered"] < 10:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    again = [*command, *resume_command(Done(130, out, err))]
    # two processes on one run: one of them answers, the other one is told
    both = [subprocess.Popen(again, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [(*process.communicate(timeout=60), process.returncode) for process in both]
    (answer, _, _), (nothing, complaint, _) = sorted(ends, key=lambda end: end[2])
    assert sorted(code for *_, code in ends) == [0, 2]
    assert json.loads(answer)["usage"]["calls"] == 60
    assert nothing == ""
    assert "mine" in complaint or "run" in complaint
