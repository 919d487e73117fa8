"""`--value-model` on solve, resume, bench and doctor, against a server of scores on the loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.apps.conftest import Cli
from tests.support.value_loopback import ValueLoopback

from reflectree.apps.asking import RunOptions
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Evaluated
from reflectree.rlm_ops.trace import Trace


@pytest.fixture
def values() -> Iterator[ValueLoopback]:
    with ValueLoopback().in_thread() as server:
        yield server


def requests(server: Remote) -> int:
    return int(server.counters()["requests"])


def test_solve_searches_with_it(cli: Cli, model: str, values: ValueLoopback, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    asked = ("solve", "Make 24.", "-m", model, "--value-model", f"{values.base_url}#m", "-n", 12, "-o", trace)
    done = cli(*asked, "--json")
    assert done.code == 0
    scored = [event for event in Trace.load(trace) if isinstance(event, Evaluated)]
    assert scored
    assert {event.source for event in scored} == {"value-model"}
    assert values.listed == 1
    assert values.in_flight == 0
    assert sum(values.sizes) == len(scored)


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("http://127.0.0.1:9", 4, "cannot be reached"),
        ("{base}#other", 4, "has no model 'other'; it has: m"),
        ("vllm-poolin/m", 2, "did you mean 'vllm-pooling/m'"),
        ("./no-such-folder", 2, "no folder"),
    ],
)
def test_what_is_not_there_is_one_line_and_nothing_is_paid(
    name: str, code: int, message: str, cli: Cli, server: Remote, values: ValueLoopback, state: Path, tmp_path: Path
) -> None:
    before, policy = requests(server), f"{server.base_url}#loopback"
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text(json.dumps({"question": "Make 24.", "answer": "24"}))
    named = name.format(base=values.base_url)
    for command in (("solve", "Make 24."), ("bench", tasks, "-t", 500)):
        done = cli(*command, "-m", policy, "--value-model", named, "--json", "-q")
        assert (done.code, done.out) == (code, "")
        assert message in done.err
        assert len(done.err.splitlines()) == 1
    assert requests(server) == before
    assert not list(state.rglob("*.sqlite"))


def test_two_that_score_are_refused(cli: Cli, model: str, scorer: str, values: ValueLoopback) -> None:
    done = cli("solve", "Make 24.", "-m", model, "-e", scorer, "--value-model", values.base_url)
    assert done.code == 2
    assert "--evaluator and --value-model both say" in done.err
    assert len(done.err.splitlines()) == 1
    assert values.bodies == []


def test_it_is_remembered_and_a_finished_run_does_not_need_it(cli: Cli, server: Remote, tmp_path: Path) -> None:
    kept = ("--checkpoint", tmp_path / "runs.sqlite", "--run-id", "mine")
    policy = f"{server.base_url}#loopback"
    with ValueLoopback().in_thread() as values:
        asked = ("solve", "Make 24.", "-m", policy, "--value-model", values.base_url, "-n", 6, "--json")
        first = cli(*asked, *kept)
        before = len(values.bodies)
        again = cli("resume", "mine", "--checkpoint", tmp_path / "runs.sqlite", "--json")
        assert again.data["answer"] == first.data["answer"]
        assert (len(values.bodies), values.listed) == (before, 1)
    gone = cli("resume", "mine", "--checkpoint", tmp_path / "runs.sqlite", "--json")
    assert (gone.code, gone.data["answer"]) == (first.code, first.data["answer"])


def test_what_scores_replaces_what_scored() -> None:
    options = RunOptions(question="Q?", value_model="http://h:1")
    assert RunOptions.from_json(options.to_json()) == options
    assert options.values().name == "http://h:1"
    other = options.changed(evaluator="mine:score")
    assert (other.evaluator, other.value_model, other.values()) == ("mine:score", None, None)
    back = other.changed(value_model="tei")
    assert (back.evaluator, back.value_model) == (None, "tei")
    with pytest.raises(BadInput, match="give one of them"):
        options.changed(evaluator="mine:score", value_model="tei").values()


def test_a_folder_means_the_same_wherever_a_run_is_resumed(tmp_path: Path) -> None:
    (tmp_path / "value").mkdir()
    (tmp_path / "value" / "config.json").write_text("{}")
    assert RunOptions(value_model="value", directory=str(tmp_path)).values().name == str(tmp_path / "value")


def test_bench_records_its_name(cli: Cli, model: str, values: ValueLoopback, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text(json.dumps({"id": "a", "question": "Make 24.", "answer": "24"}))
    asked = ("bench", tasks, "-b", "mcts", "-t", 600, "-m", model, "-s", "operators.generate.max_tokens=16")
    done = cli(*asked, "--value-model", values.base_url, "--json", "-q")
    assert done.code in (0, 3)
    assert done.data["settings"]["evaluator"] == values.base_url
    assert (values.listed, bool(values.bodies), values.in_flight) == (1, True, 0)


def test_doctor_looks_for_it(cli: Cli, model: str, values: ValueLoopback, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VLLM", "SGLANG", "OLLAMA", "LLAMACPP"):
        monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:9/v1")
    for name, code, words in (
        (values.base_url, 0, "answers; models: m"),
        ("http://127.0.0.1:9", 4, "cannot be reached"),
        ("nonsense", 2, "unknown value model"),
    ):
        done = cli("doctor", "-m", model, "--value-model", name, "--json")
        (found,) = [finding for finding in done.data["findings"] if finding["what"] == "value model"]
        assert (done.code, words in found["words"]) == (code, True)
