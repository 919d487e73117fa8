from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.apps.conftest import Cli

import reflectree
from reflectree.apps import cli as entry

HEAVY = {"langgraph", "langchain_core", "torch", "openai", "litellm", "numpy", "yaml", "aiohttp"}


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"reflectree {reflectree.__version__}\n"


@pytest.mark.parametrize("command", ["solve", "resume", "trace show", "trace stats", "trace verify", "blueprints",
                                     "blueprints show", "doctor", "value-server", "train", "loop",
                                     "data generate", "data label"])  # fmt: skip
def test_every_help_teaches_by_example(command: str, cli: Cli) -> None:
    done = cli(*command.split(), "--help")
    assert done.code == 0
    assert f"reflectree {command}" in done.out.partition("Usage")[2].partition("\n")[2]


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from reflectree.apps.cli import main\n"
        "try: main(['solve', '--help'])\n"
        "except SystemExit: print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "typer" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("arguments", [["sovle"], ["solve", "--no-such-option"], ["solve", "Q?", "-n", "many"]])
def test_usage_errors_are_2(arguments: list[str], cli: Cli) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("reflectree sol", "solve"), ("reflectree solve --max-c", "--max-calls"), ("reflectree trace ver", "verify")],
)
def test_a_shell_completes_commands_and_options(
    typed: str, completed: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_REFLECTREE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    done = cli()
    assert (done.code, done.out) == (0, f"{completed}\n")


def test_a_defect_is_one_line_too_and_debug_shows_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("[red]oh\nno[/red]")

    monkeypatch.setattr(entry, "app", broken)
    done = cli("solve")
    assert done.code == 1
    assert done.err.splitlines() == [
        "error: unexpected ZeroDivisionError: [red]oh no[/red]; REFLECTREE_DEBUG=1 shows where, please report it"
    ]
    monkeypatch.setenv("REFLECTREE_DEBUG", "1")
    assert "Traceback" in cli("solve").err
