"""`reflectree solve` and `resume` from end to end, in this process, against an endpoint on the loopback."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tests.apps.conftest import Cli

from reflectree.apps.store import open_place, unfinished
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.trace import Trace
from reflectree.testing import LoopbackServer

FIELDS = {
    *("answer", "score", "stop_reason", "usage", "nodes", "in_structure", "selected_correct", "oracle"),
    *("wall_s", "run_id", "trace"),
}


def test_the_answer_is_on_stdout_and_everything_else_is_not(cli: Cli, model: str, scorer: str, tmp_path: Path) -> None:
    trace = tmp_path / "run one.jsonl"
    done = cli("solve", "Make 24.", "-m", model, "-e", scorer, "-v", "numeric:24", "-n", 20, "-o", trace)
    assert (done.code, done.out) == (0, "24\n")
    assert "a print of mine" in done.err
    assert "✓ correct · score 0.50 · the cap on calls is reached" in done.err
    assert "cost unknown" in done.err
    assert f"reflectree trace show '{trace}'" in done.err
    assert Trace.load(trace).verify() == []
    assert unfinished() == []


def test_json_is_exactly_one_object(cli: Cli, model: str, scorer: str, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    done = cli(
        *("solve", "Make 24.", "-m", model, "-e", scorer, "-v", "numeric:24", "-n", 20, "-o", trace, "--json"),
        *("--run-id", "mine", "-s", "scheme.strategy.width=2", "--seed", 3, "-j", 2),
    )
    assert done.code == 0
    assert set(done.data) == FIELDS
    assert done.data["usage"].keys() == {"calls", "failed_calls", "prompt_tokens", "completion_tokens", "usd"}
    assert (done.data["answer"], done.data["run_id"], done.data["trace"]) == ("24", "mine", str(trace))
    assert (done.data["selected_correct"], done.data["usage"]["usd"]) == (True, None)
    began = Trace.load(trace).began
    assert began is not None
    assert (began.width, began.seed) == (2, 3)


def test_quiet_says_the_answer_and_nothing_else(cli: Cli, model: str, tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text("def score(path): return 0.5\n")
    done = cli("solve", "Make 24.", "-m", model, "-e", f"{tmp_path}/silent.py:score", "-n", 12, "-q")
    assert (done.code, done.err) == (0, "")
    assert done.out.strip()


def test_a_task_file_brings_its_verifier(cli: Cli, model: str, scorer: str, tmp_path: Path) -> None:
    task = tmp_path / "task.json"
    task.write_text(json.dumps({"question": "Make 24.", "answer": "23"}, indent=1))
    done = cli("solve", "-t", task, "-m", model, "-e", scorer, "-n", 20, "--json")
    assert (done.code, done.data["selected_correct"], done.data["in_structure"]) == (0, False, True)


def test_no_answer_within_the_budget_is_3(cli: Cli, scorer: str) -> None:
    with LoopbackServer.in_process(reply="a step") as server:
        asked = ["solve", "Make 24.", "-m", f"{server.base_url}#loopback", "-e", scorer, "-n", 1]
        done, told = cli(*asked, "--json"), cli(*asked)
    assert (done.code, done.data["answer"], done.data["stop_reason"]) == (3, None, "budget:calls")
    assert (told.code, told.out) == (3, "")
    assert "no answer · the cap on calls is reached: raise --max-calls" in told.err


def test_a_cap_that_only_failures_reached_is_not_to_be_raised(cli: Cli) -> None:
    nobody = cli("solve", "Q?", "-m", "http://127.0.0.1:9/v1#nobody", "-n", 2)
    assert (nobody.code, nobody.out) == (3, "")
    assert "is reached, and every call failed: " in nobody.err
    assert "raise --max-calls" not in nobody.err
    with LoopbackServer.in_process(reply="") as server:
        silent = cli("solve", "Q?", "-b", "cot", "-m", f"{server.base_url}#loopback")
    assert silent.code == 3
    assert "every call failed: the reply is empty" in silent.err


def test_what_a_model_says_cannot_steer_the_terminal(cli: Cli, tmp_path: Path) -> None:
    with LoopbackServer.in_process(reply="The answer is \x1b]0;owned\x07[red]2\x1b[31m4[/red]") as server:
        trace = tmp_path / "run.jsonl"
        done = cli("solve", "Q?", "-b", "cot", "-m", f"{server.base_url}#loopback", "-o", trace)
        shown = cli("trace", "show", trace)
    assert done.code == 0
    assert "\x1b]" not in done.out + done.err + shown.out
    assert "\x1b[31m" not in done.out + done.err + shown.out
    assert done.out == "[red]24[/red]\n"


def requests(server: Remote) -> int:
    return int(server.counters()["requests"])


BAD = {
    "blueprint": (["-b", "mtcs"], "unknown blueprint 'mtcs'; did you mean 'mcts'"),
    "override": (["-s", "scheme.strategy.widht=2"], "did you mean 'width'"),
    "model": (["-m", "embeded"], "did you mean 'embedded'"),
    "verifier": (["-v", "exactly:4"], "cannot read the verifier 'exactly:4'"),
    "evaluator": (["-e", "no_such_module:f"], "cannot import the evaluator"),
    "negative budget": (["--max-calls", "-1"], "budget calls=-1"),
    "negative dollars": (["--max-usd", "-0.5"], "budget usd=-0.5"),
    "unknown price": (["--max-usd", "0.5"], "needs a known price"),
    "concurrency": (["-j", "0"], "concurrency=0"),
    "trace path": (["-o", "/no/such/folder/run.jsonl"], "cannot write the trace"),
    "key": (["--api-key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY is not set"),
    "run id": (["--run-id", "../x"], "run id '../x'"),
    "gold": (["-s", "operators.evaluate.kind=verifier", "-v", "exact:24"], "oracle=True"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_exit_2_and_nothing_paid(name: str, cli: Cli, server: Remote, state: Path) -> None:
    options, message = BAD[name]
    before = requests(server)
    done = cli("solve", "Make 24.", "-m", f"{server.base_url}#loopback", "--json", *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert "Traceback" not in done.err
    assert requests(server) == before
    assert not list(state.rglob("*.sqlite"))


@pytest.mark.parametrize("arguments", [[""], ["   "], []])
def test_an_empty_task_is_bad_input(arguments: list[str], cli: Cli) -> None:
    done = cli("solve", *arguments)
    assert (done.code, done.out) == (2, "")
    assert "give a question" in done.err


def test_an_unreachable_endpoint_is_4_and_leaves_nothing(cli: Cli, tmp_path: Path, state: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        model = f"http://127.0.0.1:{taken.getsockname()[1]}/v1#m"
        checkpoint = tmp_path / "runs.sqlite"
        for kept in ([], ["--checkpoint", checkpoint]):
            done = cli("solve", "Q?", "-m", model, "--json", "-o", tmp_path / "t.jsonl", *kept)
            assert (done.code, done.out) == (4, "")
            assert len(done.err.splitlines()) == 1
    assert list(tmp_path.rglob("*.sqlite*")) == []
    assert not (tmp_path / "t.jsonl").exists()


def test_a_wrong_key_is_4_and_is_not_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-wrong-key-of-mine")
    with LoopbackServer.in_process(api_key="right") as server:
        done = cli("solve", "Q?", "--base-url", server.base_url, "-m", "loopback", "--api-key-env", "MY_KEY")
    assert done.code == 4
    assert "401" in done.err or "key" in done.err
    assert "sk-wrong-key-of-mine" not in done.err
    assert unfinished() == []


def test_an_unknown_model_is_4_and_names_those_there_are(cli: Cli, server: Remote) -> None:
    done = cli("solve", "Q?", "-m", f"{server.base_url}#loopbak")
    assert done.code == 4
    assert "it has: loopback" in done.err


def test_a_base_url_alone_takes_its_only_model(cli: Cli, server: Remote, scorer: str) -> None:
    done = cli("solve", "Q?", "--base-url", server.base_url, "-e", scorer, "-n", 12, "--price", "1,2", "--json")
    assert done.code == 0
    assert done.data["usage"]["usd"] > 0


def test_a_run_another_process_works_on_is_refused(cli: Cli, server: Remote, scorer: str) -> None:
    before = requests(server)
    with open_place("mine", None):
        done = cli("solve", "Q?", "-m", f"{server.base_url}#loopback", "-e", scorer, "--run-id", "mine")
    assert (done.code, done.out) == (2, "")
    assert "run mine is being worked on by another process" in done.err
    assert requests(server) == before


def test_a_state_folder_that_cannot_be_written_is_no_reason_not_to_answer(
    cli: Cli, model: str, scorer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    done = cli("solve", "Make 24.", "-m", model, "-e", scorer, "-n", 12)
    assert done.code == 0
    assert "cannot be resumed" in done.err


def test_a_checkpoint_keeps_a_finished_run(cli: Cli, server: Remote, scorer: str, tmp_path: Path) -> None:
    asked = ["-m", f"{server.base_url}#loopback", "-e", scorer, "-n", 12, "--json"]
    kept = ["--checkpoint", tmp_path / "runs.sqlite", "--run-id", "mine"]
    first = cli("solve", "Make 24.", *asked, *kept)
    before = requests(server)
    again = cli("solve", "Make 24.", *asked, *kept)
    resumed = cli("resume", "mine", "--checkpoint", tmp_path / "runs.sqlite", "--json")
    other = cli("solve", "Make 25.", *asked, *kept)
    assert requests(server) == before
    for done in (again, resumed):
        assert (done.code, {**done.data, "wall_s": 0}) == (first.code, {**first.data, "wall_s": 0})
    assert (other.code, other.out) == (2, "")
    assert "use its task, or a new run id" in other.err
    assert cli("resume", "mine", "--checkpoint", tmp_path / "runs.sqlite", "--json").code == 0


def test_a_checkpoint_that_is_none(cli: Cli, model: str, scorer: str, tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("this is no database, but it is long enough to be taken for one" * 20)
    for wrong in (tmp_path / "text.sqlite", tmp_path):
        done = cli("solve", "Q?", "-m", model, "-e", scorer, "--checkpoint", wrong)
        assert (done.code, done.out) == (2, ""), wrong
        assert "choose another path" in done.err
    assert "this is no database" in (tmp_path / "text.sqlite").read_text()


def test_there_is_nothing_to_resume(cli: Cli, tmp_path: Path) -> None:
    assert "no interrupted run" in cli("resume").err
    done = cli("resume", "abc")
    assert (done.code, done.out) == (2, "")
    assert "no interrupted run 'abc'" in done.err
    assert cli("resume", "abc", "--checkpoint", tmp_path / "none.sqlite").code == 2
    assert not (tmp_path / "none.sqlite").exists()


def test_a_run_of_the_python_api_is_resumed_too(cli: Cli, server: Remote, tmp_path: Path) -> None:
    import reflectree as rt

    checkpoint = tmp_path / "runs.sqlite"
    rt.solve(
        "Make 24.", policy=f"{server.base_url}#loopback", evaluator=lambda path: 0.5, budget=rt.Budget(calls=12),
        checkpoint=checkpoint, run_id="api/run",
    )  # fmt: skip
    before = requests(server)
    assert cli("resume", "api/run", "--checkpoint", checkpoint, "--json").data["run_id"] == "api/run"
    assert requests(server) == before
