"""`reflectree bench` from end to end, in this process, against an endpoint on the loopback."""

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

from reflectree.apps.bench_command import choose
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.errors import BadInput
from reflectree.testing import LoopbackServer

SMALL = ("-s", "operators.generate.max_tokens=16")
ROW = {"blueprint", "n", "accuracy", "in_structure", "selected", "unjudged", "tokens", "prompt_tokens"}


@pytest.fixture
def taskset(tmp_path: Path) -> Path:
    file = tmp_path / "tasks.jsonl"
    rows = [{"id": f"t{n}", "question": f"Make {n}.", "answer": "23"} for n in range(2)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_the_table_is_on_stdout_with_tokens_beside_accuracy(cli: Cli, taskset: Path, model: str, scorer: str) -> None:
    done = cli("bench", taskset, "-t", 1000, "-m", model, "-e", scorer, *SMALL)
    assert done.code == 0
    for name in ("cot", "mcts", "self-consistency", "best-of-n"):
        assert any(line.startswith(name) for line in done.out.splitlines())
    head = next(line for line in done.out.splitlines() if line.startswith("blueprint"))
    assert head.split() == [
        "blueprint",
        "accuracy",
        "[95",
        "%]",
        "found",
        "selected",
        "tokens",
        "written",
        "calls",
        "time",
    ]
    assert all(len(line) <= 80 for line in done.out.partition("blueprint")[2].splitlines()[:5])
    assert "ended by: cot complete 2x; mcts budget:tokens 2x; " in done.out
    assert "mcts against self-consistency: no gain (" in done.out
    assert "mcts against best-of-n: no gain (" in done.out
    assert "2 tasks can only show very large differences" in done.out
    assert "cost unknown" in done.out
    assert "2 tasks x 4 blueprints" in done.err
    assert "a print of mine" in done.err


def test_json_is_exactly_one_object(cli: Cli, taskset: Path, model: str, scorer: str) -> None:
    done = cli("bench", taskset, "-b", "mcts", "-t", 1000, "-m", model, "-e", scorer, "--json", "-q", "-n", 1, *SMALL)
    assert (done.code, done.err.replace("a print of mine\n", "")) == (0, "")
    assert set(done.data) == {"settings", "n", "complete", "blueprints", "differences"}
    assert [row["blueprint"] for row in done.data["blueprints"]] == ["mcts", "self-consistency", "best-of-n"]
    assert set(done.data["blueprints"][0]) >= ROW
    assert set(done.data["blueprints"][0]["accuracy"]) == {"estimate", "low", "high"}
    assert done.data["settings"]["evaluator"] == scorer
    assert all(row["tokens"] <= 1000 for row in done.data["blueprints"])


def test_the_same_command_goes_on(cli: Cli, taskset: Path, server: Remote, scorer: str, tmp_path: Path) -> None:
    out, model = tmp_path / "out.jsonl", f"{server.base_url}#loopback"
    command = ("bench", taskset, "-t", 1000, "-m", model, "-e", scorer, "-o", out, "--json", *SMALL)
    first = cli(*command)
    paid = server.counters()["answered"]
    assert cli(*command).data == first.data
    assert server.counters()["answered"] == paid
    out.write_bytes(out.read_bytes()[:-20])
    again = cli(*command)
    assert "the file's last line was cut short" in again.err
    assert again.data["complete"] is True
    assert server.counters()["answered"] > paid


def test_a_file_of_other_settings_is_refused(cli: Cli, taskset: Path, model: str, scorer: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    command = ("bench", taskset, "-m", model, "-e", scorer, "-o", out, *SMALL)
    assert cli(*command, "-t", 1000).code == 0
    done = cli(*command, "-t", 1100)
    assert (done.code, done.out) == (2, "")
    assert "holds another benchmark (tokens 1000, not 1100)" in done.err


@pytest.fixture
def slow() -> Iterator[Remote]:
    with LoopbackServer.in_process(reply="Answer: 23", latency=0.1) as remote:
        yield remote


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(cli: Cli, taskset: Path, slow: Remote, scorer: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    def interrupt() -> None:
        while not out.exists() or out.read_bytes().count(b"\n") < 4:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    command = (
        "bench",
        taskset,
        "-t",
        1000,
        "-m",
        f"{slow.base_url}#loopback",
        "-e",
        scorer,
        "-o",
        out,
        "-j",
        1,
        *SMALL,
    )
    done = cli(*command)
    assert done.code == 130
    assert "kept in" in done.err
    assert "the same command goes on" in done.err
    kept = len(out.read_text().splitlines())
    assert 4 <= kept < 9
    assert cli(*command).code == 0
    assert len(out.read_text().splitlines()) == 9


def test_no_answer_at_all_is_exit_code_3(cli: Cli, taskset: Path, model: str, scorer: str) -> None:
    done = cli("bench", taskset, "-t", 10, "-m", model, "-e", scorer, *SMALL)
    assert done.code == 3


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (("nowhere.jsonl", "-t", 100), "nowhere.jsonl"),
        (("TASKS", "-t", -1), "budget tokens=-1"),
        (("TASKS", "-t", 100, "-n", 0), "a limit is 1 task or more"),
        (("TASKS", "-t", 100, "-b", "mcst"), "did you mean 'mcts'"),
        (("TASKS", "-t", 100, "-m", "embeded"), "did you mean 'embedded'"),
        (("TASKS", "-t", 100, "-s", "scheme.strategy.nonsense=1"), "nonsense"),
        (("TASKS", "-t", 100, "-s", "tot:scheme.strategy.width=1"), "'tot' is not compared"),
        (("TASKS", "-t", 100, "-o", "/nowhere/out.jsonl"), "choose another --out file"),
        (("TASKS",), "--budget-tokens"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[object, ...], fix: str, cli: Cli, taskset: Path, model: str, scorer: str
) -> None:
    given = [taskset if argument == "TASKS" else argument for argument in arguments]
    rest = () if "-m" in arguments else ("-m", model)
    done = cli("bench", *given, *rest, "-e", scorer)
    assert (done.code, done.out) == (2, "")
    assert fix in done.err


def test_an_endpoint_that_is_not_there_is_exit_code_4(cli: Cli, taskset: Path, scorer: str, tmp_path: Path) -> None:
    done = cli("bench", taskset, "-t", 1000, "-m", "http://127.0.0.1:9/v1#m", "-e", scorer, *SMALL)
    assert (done.code, done.out) == (4, "")


def test_a_setting_goes_to_every_blueprint_that_has_it_or_to_the_one_named() -> None:
    plans = choose("cot,mcts", ["operators.generate.temperature=0.1", "scheme.strategy.width=2", "cot:selection=value"])
    assert {plan.operators.generate.temperature for plan in plans} == {0.1}
    by_name = {plan.name: plan for plan in plans}
    assert by_name["mcts"].scheme.strategy.model_dump()["width"] == 2
    assert (by_name["cot"].selection, by_name["self-consistency"].selection) == ("value", "majority")
    with pytest.raises(BadInput, match=r"scheme\.strategy"):
        choose("cot", ["scheme.strategy.depth=2"])
