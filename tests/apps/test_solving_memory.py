"""`--memory` of `solve`, `resume` and `bench`, from end to end, against an endpoint on the loopback."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from tests.apps.conftest import Cli, Done
from tests.apps.fences import LESSON

from reflectree.apps.store import unfinished
from reflectree.memory.ledger import Ledger
from reflectree.memory.ledger import log as ledger_log
from reflectree.memory.recall.recaller import is_control
from reflectree.memory.records import Reflection
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.trace import Trace
from reflectree.testing import LoopbackServer

pytest.importorskip("chromadb")
pytest.importorskip("wordllama")

ROOT = Path(__file__).parents[2]
ONCE = ("-s", "scheme.strategy.n=1")
FENCE, HEDGE = "How many posts has a fence of 13 gaps?", "How many posts has a hedge of 13 gaps?"


def endpoint(latency: float) -> Iterator[Remote]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
        with LoopbackServer.in_process(reply_from="tests.apps.fences:answer", latency=latency) as remote:
            yield remote


@pytest.fixture(scope="module")
def server() -> Iterator[Remote]:
    yield from endpoint(0.0)


@pytest.fixture
def slow() -> Iterator[Remote]:
    yield from endpoint(0.6)


@pytest.fixture
def asked(server: Remote, tmp_path: Path) -> list[object]:
    """How every run here is asked for: by whom, and who says how it went."""
    (tmp_path / "checks.py").write_text("def check(path): return float(path.answer == '14')\n")
    return ["-m", f"{server.base_url}#loopback", "-e", f"{tmp_path}/checks.py:check", "-b", "best-of-n"]


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "memory"


@pytest.fixture
def learnt(cli: Cli, asked: list[object], memory: Path) -> Path:
    """A memory with the lesson of one run."""
    done = cli("solve", FENCE, *asked, *ONCE, "--memory", memory, "--run-id", "one")
    assert (done.code, done.out) == (0, "13\n")
    assert "memory: 0 records recalled" in done.err
    return memory


def lessons(memory: Path) -> list[Reflection]:
    return [one for one in Ledger(memory).state.records.values() if isinstance(one, Reflection)]


def recalled(trace: Trace) -> list[Any]:
    assert trace.began is not None
    assert trace.began.arm == "memory"
    return [row["id"] for row in trace.began.recalled]


def test_a_second_run_recalls_what_the_first_one_learnt(
    cli: Cli, asked: list[object], learnt: Path, tmp_path: Path
) -> None:
    (lesson,) = lessons(learnt)
    assert (lesson.lesson, lesson.origin.source, lesson.origin.run) == (LESSON, "env", "one")
    assert not is_control("two", 0, 0.1)
    trace = tmp_path / "two.jsonl"
    done = cli(
        *("solve", HEDGE, *asked, *ONCE, "--memory", learnt, "--run-id", "two"),
        *("-o", trace, "--json"),
    )
    assert (done.code, done.data["answer"]) == (0, "14")
    assert "memory: 1 record recalled" in done.err
    assert done.data["memory"] == {"arm": "memory", "recalled": 1}
    assert recalled(Trace.load(trace)) == [lesson.id]
    assert lessons(learnt)[0].standing.wins == 1


def test_a_run_of_the_control_arm_is_shown_nothing_and_says_so(cli: Cli, asked: list[object], learnt: Path) -> None:
    name = next(name for name in map("run-{}".format, range(100)) if is_control(name, 0, 0.1))
    done = cli("solve", HEDGE, *asked, *ONCE, "--memory", learnt, "--run-id", name)
    assert (done.code, done.out) == (0, "13\n")
    assert "the control arm" in done.err


def test_a_run_that_is_interrupted_while_it_learns_goes_on_with_its_memory_from_anywhere(
    cli: Cli, slow: Remote, asked: list[object], learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = lessons(learnt)

    def interrupt() -> None:
        end = time.monotonic() + 20
        while not slow.counters()["answered"] and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.chdir(tmp_path)
    sender = threading.Thread(target=interrupt, daemon=True)
    sender.start()
    trace = tmp_path / "two.jsonl"
    told = ("--memory", "memory", "--run-id", "two", "-o", trace, "-m", f"{slow.base_url}#loopback")
    done = cli("solve", HEDGE, *asked, *ONCE, *told)
    sender.join()
    assert done.code == 130
    assert "interrupted, 1 call saved" in done.err
    assert Ledger(learnt).state.clock == 1, "a run that has not ended is not credited"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resumed = cli("resume", "two", "--json", "-o", trace)
    assert (resumed.code, resumed.data["answer"], resumed.data["usage"]["calls"]) == (0, "14", 2)
    assert recalled(Trace.load(trace)) == [before.id]
    state = Ledger(learnt).state
    assert state.clock == 2
    assert state.records[before.id].standing.wins == 1
    assert not list((tmp_path / "elsewhere").iterdir())


def one_line(done: Done, message: str) -> None:
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert unfinished() == []


def test_a_folder_that_cannot_be_a_memory_is_one_line_and_nothing_is_paid(
    cli: Cli, server: Remote, asked: list[object], memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    paid = server.counters()["requests"]
    memory.write_text("a file")
    one_line(cli("solve", FENCE, *asked, "--memory", memory, "-q"), "name a folder that can be written")
    one_line(cli("solve", FENCE, *asked, "--memory", "", "-q"), "--memory names no folder")
    monkeypatch.setattr(ledger_log, "LOCK_TIMEOUT_S", 0.05)
    held = memory.with_name("held")
    held.mkdir()
    with FileLock(held / ".lock"):
        one_line(cli("solve", FENCE, *asked, "--memory", held, "-q"), "another process is writing to the memory")
    assert server.counters()["requests"] == paid


def test_where_anything_else_is_wrong_no_memory_is_made(cli: Cli, asked: list[object], memory: Path) -> None:
    gold = ("-v", "exact:14", "-b", "expel", "-s", "memory.feedback=verifier")
    one_line(cli("solve", FENCE, *asked, "--memory", memory, *gold), "memory.feedback is verifier")
    one_line(cli("solve", FENCE, *asked, "--memory", memory, "-n", -1), "budget calls=-1")
    assert not memory.exists()


@pytest.fixture
def taskset(tmp_path: Path) -> Path:
    file = tmp_path / "tasks.jsonl"
    rows = [{"id": kind, "question": f"How many posts has a {kind} of 13 gaps?", "answer": "14"}
            for kind in ("hedge", "railing")]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_a_benchmark_recalls_and_writes_nothing(
    cli: Cli, asked: list[object], learnt: Path, taskset: Path, tmp_path: Path
) -> None:
    before = (learnt / "ledger.jsonl").read_bytes()
    out = tmp_path / "out.jsonl"
    command = ["bench", taskset, "-t", 1500, *asked, "-s", "operators.generate.max_tokens=32", "-q", "--json"]
    with_memory = cli(*command, "--memory", learnt, "-o", out)
    assert {row["blueprint"]: row["accuracy"]["estimate"] for row in with_memory.data["blueprints"]} == {
        "best-of-n": 1.0,
        "self-consistency": 1.0,
    }
    assert (learnt / "ledger.jsonl").read_bytes() == before
    assert cli(*command, "--memory", learnt, "-o", out).data == with_memory.data
    without = cli(*command)
    assert {row["accuracy"]["estimate"] for row in without.data["blueprints"]} == {0.0}
    one_line(cli(*command, "-o", out), "holds another benchmark (memory ")


def test_a_benchmark_makes_no_memory(cli: Cli, asked: list[object], memory: Path, taskset: Path) -> None:
    done = cli("bench", taskset, "-t", 1500, *asked, "--memory", memory)
    one_line(done, f"there is no memory at {memory}")
    assert not memory.exists()
