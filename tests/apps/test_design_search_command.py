"""`reflectree design-search` from end to end, in this process, against an endpoint on the loopback."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.apps.conftest import Cli
from tests.apps.test_interrupting import signal_once
from tests.support.drive import started
from typer.testing import CliRunner

from reflectree.apps import cli as command_line
from reflectree.apps.design_search_command import design_search
from reflectree.apps.designprogress import DesignProgress
from reflectree.graphs.design_search.cache import Made
from reflectree.graphs.design_search.proposals import grown
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Evaluated
from reflectree.rlm_ops.strategies.design.aflow import AFlow
from reflectree.testing import LoopbackServer


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command("design-search")(design_search)
    made.callback()(lambda: None)
    return made


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with LoopbackServer.in_process(reply=["Answer: 24", "Answer: 23"]) as remote:
        yield f"{remote.base_url}#loopback"


@pytest.fixture
def taskset(tmp_path: Path) -> Path:
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(json.dumps({"id": f"t{n}", "question": f"Make {n}.", "answer": "24"}) for n in range(12)))
    return file


def test_a_search_ends_with_a_report_and_goes_on_from_its_folder(
    app: typer.Typer, taskset: Path, model: str, tmp_path: Path
) -> None:
    assert command_line.app is not None
    words = ["design-search", "-T", str(taskset), "-m", model, "--method", "opro", "--proposer", "none", "--json", "-q"]
    words += ["--budget-calls", "40", "-o", str(tmp_path / "found")]
    first = CliRunner().invoke(app, words)
    assert first.exit_code in (0, 3), first.output
    data = json.loads(first.stdout)
    assert data["level"] == "prompt"
    assert data["designs"][0]["digest"] == data["seed_design"]
    again = CliRunner().invoke(app, words)
    assert json.loads(again.stdout)["usage"]["search"] == data["usage"]["search"]


def test_the_help_teaches(app: typer.Typer) -> None:
    done = CliRunner().invoke(app, ["design-search", "--help"])
    for word in ("Try:", "--level", "--seed-blueprint", "--taskset", "--budget-tokens", "Exit codes"):
        assert word in done.output


def test_a_wrong_level_is_named(app: typer.Typer, taskset: Path, model: str) -> None:
    done = CliRunner().invoke(app, ["design-search", "-T", str(taskset), "-m", model, "--level", "prompts"])
    assert isinstance(done.exception, BadInput)
    assert "did you mean 'prompt'" in str(done.exception)


SAYS = ["Answer: 24", "Answer: 23", '{"set": {"operators.generate.instruction": "Check it."}}\nAnswer: 24']


@pytest.fixture
def slow() -> Iterator[Remote]:
    with LoopbackServer.in_process(reply=SAYS, latency=0.01) as remote:
        yield remote


@pytest.mark.slow
@pytest.mark.parametrize(("level", "method"), [("prompt", "gepa"), ("module", "mcts"), ("agent", "evolve")])
def test_ctrl_c_and_the_same_command_again(
    cli: Cli, taskset: Path, slow: Remote, tmp_path: Path, level: str, method: str
) -> None:
    words = ["design-search", "-T", taskset, "-m", f"{slow.base_url}#loopback", "--level", level, "--method", method]
    words += ["--budget-calls", 90, "-j", 4, "-o", tmp_path / "found"]
    sender = signal_once(slow, signal.SIGINT, answered=20)
    first = cli(*words)
    sender.join()
    assert first.code == 130
    assert "go on with:  reflectree" in first.err
    assert not (tmp_path / "found" / "report.json").exists()
    second = cli(*words, "--json", "-q")
    assert second.code in (0, 3), second.err
    bill = second.data["usage"]
    assert bill["search"]["calls"] + bill["final"]["calls"] <= 90
    assert slow.counters()["requests"] <= 90 + 4, "what was in flight may be sent again, and nothing else"
    done = slow.counters()["requests"]
    again = cli(*words, "--json", "-q").data["usage"]
    assert again == bill
    assert slow.counters()["requests"] == done


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--method", "gepo"), 2, "did you mean 'gepa'"),
        (("-b", "no-such"), 2, "unknown blueprint"),
        (("-j", "0"), 2, "concurrency=0: give at least 1"),
        (("--minibatch", "0"), 2, "minibatch=0: give at least 1"),
        (("--budget-calls", "1"), 2, "does not pay"),
        (("-s", "rounds=2"), 2, "unknown key 'rounds'"),
        (("--level", "prompt", "--method", "gptswarm"), 2, "works at level agent alone"),
        (("--memory", "no-such"), 2, "there is no such folder"),
        (("-n", "2"), 2, "give more tasks"),
        (("-m", "http://127.0.0.1:9/v1#x"), 4, "cannot be reached"),
    ],
)
def test_errors_are_one_line(cli: Cli, taskset: Path, model: str, words: tuple[str, ...], code: int, said: str) -> None:
    done = cli("design-search", "-T", taskset, *(() if "-m" in words else ("-m", model)), *words, "-q")
    assert done.code == code
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""


def test_what_is_told_meanwhile(cli: Cli, taskset: Path, model: str) -> None:
    words = ("design-search", "-T", taskset, "-m", model, "--proposer", "none", "--method", "opro", "-s", "steps=1")
    told = cli(*words).err
    assert re.search(r"\d+ tasks? to train on, \d+ to choose by, \d+ sealed", told)
    assert re.search(r"design 1: \d\.\d\d on validation, \d+ tokens so far", told)


def test_the_panel_names_the_best_design_and_counts_examples() -> None:
    seen = DesignProgress(quiet=True)
    for _ in range(3):
        seen.on_example(Made(1.0, "4", "complete"))
    seed = Blueprint.parse({"name": "seed", "scheme": {"structure": "chain", "strategy": {"name": "cot"}}})
    history = started(AFlow())
    history.tell(grown(Call("generate", (0,)), seed, "the seed design"))
    history.tell(Evaluated(node=1, value=0.5))
    seen.on_event(Evaluated(node=1, value=0.5), history.live)
    assert "best 0.50  by design 1 · 3 examples" in seen.line()


def test_a_lost_run_is_told_unless_nothing_is(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (True, False):
        DesignProgress(quiet).on_lost("a Ray worker died (killed): example e1 is made again on another one")
    assert capsys.readouterr().err.count("example e1 is made again") == 1
