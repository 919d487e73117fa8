"""Environments and problems from the command line: listed, solved in, measured, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.apps.conftest import Cli

from reflectree.rlm_ops.trace import Trace
from reflectree.testing import LoopbackServer


def test_environments_and_problems_are_listed(cli: Cli) -> None:
    assert "toy/FAMILY-SEED" in cli("environments").out
    assert {"name", "extra", "about"} == set(json.loads(cli("environments", "--json").out)[0])
    listed = json.loads(cli("problems", "--json").out)
    assert {"name": "linear-regression/0", "sense": "min"}.items() <= listed[0].items()
    assert all(entry["question"] for entry in listed)


def test_a_problem_brings_its_task_and_scores_by_itself(cli: Cli) -> None:
    with LoopbackServer.in_process(reply="Answer: 15, 14") as server:
        asked = ("solve", "-p", "linear-regression/0", "-b", "best-of-n", "-s", "scheme.strategy.n=2", "--json")
        done = cli(*asked, "-m", f"{server.base_url}#loopback")
        assert (done.code, done.data["answer"]) == (0, "15, 14")
        assert done.data["report"]
        refused = cli(*asked, "-m", f"{server.base_url}#loopback", "-e", "x:y")
        assert refused.code == 2
        assert "--problem measures solutions by itself" in refused.err
        for more in (("-E", "toy/kitchen-1"), ("What is 6 times 7?",)):
            refused = cli(*asked, *more, "-m", f"{server.base_url}#loopback")
            assert refused.code == 2
            assert "--problem brings its own task" in refused.err


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [("-p", "tsq/10", "unknown problem 'tsq/10'"), ("-E", "nowhere/1", "unknown environment 'nowhere/1'")],
)
def test_an_unknown_name_is_one_clear_line(cli: Cli, option: str, name: str, said: str) -> None:
    done = cli("solve", option, name, "-b", "react-env" if option == "-E" else "best-of-n")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_problem_is_searched_by_the_system_that_suits_it(cli: Cli, tmp_path: Path) -> None:
    with LoopbackServer.in_process(reply="Answer: 15, 14") as server:
        asked = ("solve", "-p", "linear-regression/0", "-n", "3", "-o", tmp_path / "t.jsonl", "-q")
        assert cli(*asked, "-m", f"{server.base_url}#loopback").code == 0
    began = Trace.load(tmp_path / "t.jsonl").began
    assert began is not None
    assert began.blueprint["name"] == "opro"
