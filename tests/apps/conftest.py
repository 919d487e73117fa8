"""A state folder of its own for every test, the command line in this process, and an endpoint that never leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reflectree.apps.cli import main
from reflectree.models.loopback_process import Remote
from reflectree.testing import LoopbackServer

STEPS = [
    "The answer is 24." if number % 5 == 3 else "Answer: 23" if number % 5 == 4 else f"Step {number} \x1b[31m[bold]x"
    for number in range(400)
]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        (line,) = self.out.splitlines()
        return dict(json.loads(line))


Cli = Callable[..., Done]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.delenv("REFLECTREE_DEBUG", raising=False)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return folder / "reflectree"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def server() -> Iterator[Remote]:
    with LoopbackServer.in_process(reply=STEPS) as remote:
        yield remote


@pytest.fixture
def model(server: Remote) -> str:
    return f"{server.base_url}#loopback"


@pytest.fixture
def scorer(tmp_path: Path) -> str:
    """An evaluator in a file, which prints as users' functions do."""
    file = tmp_path / "scorer.py"
    file.write_text("def score(path):\n    print('a print of mine')\n    return 0.25 if path.answer == '23' else 0.5\n")
    return f"{file}:score"
