"""`reflectree design-search` from end to end, in this process, against an endpoint on the loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from reflectree.apps import cli as command_line
from reflectree.apps.design_search_command import design_search
from reflectree.rlm_ops.errors import BadInput
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
