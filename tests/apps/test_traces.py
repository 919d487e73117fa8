from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.apps.conftest import Cli
from tests.apps.test_drawing import small

from reflectree.rlm_ops.trace import Trace


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Trace(small(), run_id="r1").save(tmp_path / "run.jsonl")


def test_show_draws_the_tree_and_explains_its_symbols(cli: Cli, file: Path) -> None:
    done = cli("trace", "show", file)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "What?"
    assert lines[1].startswith("run r1 · 4 nodes")
    assert "│  ├─ ★ 3 0.90 x1  ⇒ 24  so it is 24" in lines
    assert "★ the answer" in lines[-1]


def test_show_cuts_long_text_to_the_width(cli: Cli, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done = cli("trace", "show", file)
    assert max(map(len, done.out.splitlines())) == 40
    assert any(line.endswith("…") for line in done.out.splitlines())


def test_stats_count_what_happened(cli: Cli, file: Path) -> None:
    data = cli("trace", "stats", file, "--json").data
    assert data["events"] == {
        "task": 1, "generate": 4, "evaluate": 2, "backpropagate": 2, "failed": 2, "prune": 1, "answer": 1,
    }  # fmt: skip
    assert (data["nodes"], data["depth"], data["branching"]) == (4, 2, {"mean": 2.0, "max": 2})
    assert data["statuses"] == {"open": 1, "pruned": 1, "terminal": 1, "failed": 1}
    assert data["failures"] == {"evaluate: the judge's reply is empty": 1, "generate: no reply": 1}
    assert (data["values"][5], data["values"][9], sum(data["values"])) == (1, 1, 2)
    text = cli("trace", "stats", file).out
    assert "depth 2, 2.0 children a step (at most 2)" in text
    assert "2 evaluations, mean 0.70" in text


def test_verify_says_sound_or_what_is_wrong(cli: Cli, file: Path, tmp_path: Path) -> None:
    assert cli("trace", "verify", file).out == "sound: 13 events, 4 nodes\n"
    cut = tmp_path / "cut.jsonl"
    cut.write_text(file.read_text()[:-30])
    done = cli("trace", "verify", cut)
    assert done.code == 2
    assert "not whole" in done.out
    shown = cli("trace", "show", cut)
    assert shown.code == 0
    assert "damaged" in shown.err
    assert "not finished" in shown.out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a reflectree trace"),
        ("a text\n", "is not a reflectree trace"),
        (json.dumps({"format": "reflectree-trace", "version": 99}) + "\n", "version 99"),
        (json.dumps({"format": "reflectree-trace", "version": 1}) + "\n", "no event"),
    ],
)
def test_what_is_no_trace_is_bad_input(content: str, message: str, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(content)
    for command in ("show", "stats"):
        done = cli("trace", command, file)
        assert (done.code, done.out) == (2, "")
        assert message in done.err
    assert cli("trace", "verify", file).code == 2
    assert cli("trace", "show", tmp_path / "none.jsonl").code == 2
