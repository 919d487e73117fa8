"""`reflectree memory`: what is printed, what is asked for, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reflectree.apps.memory_command import app
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Origin, Reflection
from reflectree.rlm_ops.errors import BadInput

runner = CliRunner()
HASHING = ("--embedder", "hashing")


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A folder with two lessons, one of them of a customer, and a run in either arm."""
    folder = tmp_path / "memory"
    ledger = Ledger(folder)
    ids = ledger.write(
        Reflection(lesson="Count the posts \x1b[31mand\x1b[0m not the gaps.".replace("\x1b", ""), title="Fences",
                   origin=Origin(source="verifier", run="run-1", task="a" * 16)),
        Reflection(lesson="She prefers metres.", origin=Origin(source="user", subject="customer-17", run="run-2")),
    )  # fmt: skip
    ledger.use("run-3", ids, task="b" * 16)
    ledger.settle("run-3", won=True)
    ledger.use("run-4", ids, task="c" * 16, control=True)
    ledger.settle("run-4", won=False)
    return folder


def said(*arguments: object, code: int = 0) -> str:
    done = runner.invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def data(*arguments: object) -> dict[str, Any]:
    return dict(json.loads(said(*arguments, "--json")))


def test_list_shows_what_there_is_and_filters(memory: Path) -> None:
    out = said("list", memory)
    assert "Count the posts" in out
    assert "1/1" in out
    assert data("list", memory, "--subject", "customer-17")["count"] == 1
    assert data("list", memory, "--trust", "quarantined")["count"] == 0
    with pytest.raises(BadInput, match="did you mean 'reflection'"):
        said("list", memory, "--kind", "reflexion")


def test_show_says_where_a_record_comes_from(memory: Path) -> None:
    name = data("list", memory)["records"][0]["id"]
    out = said("show", memory, name)
    assert "Fences: Count the posts" in out
    assert "succeeded in 1 of 1 runs" in out
    assert "verifier" in out
    assert data("show", memory, name)["id"] == name
    with pytest.raises(BadInput, match="is not in this memory"):
        said("show", memory, "r-000000000000")


def test_forget_asks_first_and_says_what_is_gone(memory: Path) -> None:
    done = runner.invoke(app, ["forget", str(memory), "--subject", "customer-17", *HASHING], input="n\n")
    assert done.exit_code == 1
    assert data("list", memory)["count"] == 2
    gone = data("forget", memory, "--subject", "customer-17", "--yes", *HASHING)["forgotten"]
    assert len(gone) == 1
    assert data("list", memory)["count"] == 1
    with pytest.raises(BadInput, match="say what to forget"):
        said("forget", memory, "--yes")


def test_export_and_import_go_round(memory: Path, tmp_path: Path) -> None:
    assert "2 records" in said("export", memory, tmp_path / "out.jsonl")
    other = tmp_path / "other"
    assert len(data("import", other, tmp_path / "out.jsonl", *HASHING)["imported"]) == 2
    assert data("list", other, "--trust", "candidate")["count"] == 2
    assert data("import", other, tmp_path / "out.jsonl", *HASHING)["imported"] == []


def test_snapshot_and_rollback(memory: Path) -> None:
    assert "no snapshots" in said("snapshot", memory)
    said("snapshot", memory, "before")
    assert "before" in said("snapshot", memory)
    Ledger(memory).write(Reflection(lesson="One more lesson.", origin=Origin(source="user")))
    assert data("list", memory)["count"] == 3
    assert "2 records" in said("rollback", memory, "before", "--yes", *HASHING)


def test_search_and_re_embed(memory: Path) -> None:
    out = said("search", memory, "How many posts has a fence?", *HASHING)
    assert "Fences" in out
    found = data("search", memory, "How many posts has a fence?", *HASHING)["records"]
    assert found[0]["relevance"] > 0
    assert data("list", memory)["records"][0]["standing"]["uses"] == 1, "a search is no use"
    assert "embedded by hashing" in said("re-embed", memory, *HASHING)


def test_the_report_gives_lift_with_its_interval(memory: Path) -> None:
    out = said("report", memory)
    assert "+1.00" in out
    assert "unknown" in out
    whole = data("report", memory)
    assert whole["runs"] == 2
    assert whole["kinds"][0]["lift"]["low"] < 0 < whole["kinds"][0]["lift"]["high"]


@pytest.mark.parametrize("command", ["list", "report", "snapshot"])
def test_a_folder_that_is_not_there_is_named(command: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no memory at"):
        said(command, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "command",
    ["list", "show", "search", "forget", "export", "import", "snapshot", "rollback", "re-embed", "report"],
)
def test_help_teaches_by_example(command: str) -> None:
    assert f"reflectree memory {command}" in said(command, "--help")
