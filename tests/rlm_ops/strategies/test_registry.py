"""Strategies from outside the package: registered by the program, or declared by an installed distribution."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from typing_extensions import override

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies import STRATEGIES, Limits, Strategy, register
from reflectree.rlm_ops.strategies.base import new_samples
from reflectree.rlm_ops.structure import ReasoningStructure

DATA = {"name": "twice", "scheme": {"strategy": {"name": "twice", "n": 3}}}


class Twice(Strategy):
    """A few solutions."""

    name: ClassVar[str] = "twice"
    n: int = 2

    @override
    def limits(self) -> Limits:
        return Limits(1, self.n, 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        return new_samples(structure, 0, min(slots, self.n - structure.attempts("generate", (0,))))


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = dict(STRATEGIES)
    yield
    for name in set(STRATEGIES) - set(before):
        del STRATEGIES[name]
    assert dict(STRATEGIES) == before


def test_a_registered_strategy_is_found_by_name_and_survives_the_round_trip() -> None:
    with pytest.raises(BadInput, match=r"scheme\.strategy: unknown strategy 'twice'"):
        Blueprint.parse(DATA)
    assert register(Twice) is Twice
    assert register(Twice) is Twice  # again, as when a module is loaded anew
    blueprint = Blueprint.parse(DATA)
    assert blueprint.scheme.strategy == Twice(n=3)
    assert Blueprint.parse(blueprint.model_dump(mode="json")) == blueprint
    assert blueprint.digest == Blueprint.parse({**DATA, "scheme": {"strategy": Twice(n=3)}}).digest
    with pytest.raises(BadInput, match="unknown key 'm'"):
        Blueprint.parse({"name": "twice", "scheme": {"strategy": {"name": "twice", "m": 3}}})


def test_what_cannot_be_registered_is_refused_with_the_fix() -> None:
    class Nameless(Strategy):
        pass

    class Taken(Strategy):
        name: ClassVar[str] = "mcts"

    with pytest.raises(BadInput, match=r"Nameless.*give it a name"):
        register(Nameless)
    with pytest.raises(BadInput, match=r"the name 'mcts' is that of reflectree\.rlm_ops\.strategies\.mcts\.MCTS"):
        register(Taken)
    with pytest.raises(BadInput, match="give a subclass"):
        register(int)  # type: ignore[type-var]
    assert STRATEGIES["mcts"].__name__ == "MCTS"


PLUGIN = """
from typing import ClassVar

from reflectree.rlm_ops.strategies import Limits, Strategy
from reflectree.rlm_ops.strategies.base import new_samples


class Declared(Strategy):
    name: ClassVar[str] = "declared"
    n: int = 2

    def limits(self):
        return Limits(1, self.n, 1)

    def ask(self, structure, slots):
        return new_samples(structure, 0, min(slots, self.n - structure.attempts("generate", (0,))))
"""


def install(at: Path, entries: str) -> None:
    """What pip leaves of a distribution, as far as entry points go."""
    (at / "plug_strategies.py").write_text(PLUGIN)
    (at / "plug_broken.py").write_text("raise RuntimeError('half a file')")
    info = at / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[reflectree.strategies]\n{entries}\n")


def test_an_installed_distribution_is_asked_when_its_strategy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path,
        "declared = plug_strategies:Declared\nbroken = plug_broken:X\nother = plug_strategies:Declared\n"
        "none = plug_strategies:new_samples",
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "declared" not in list(STRATEGIES)
    assert "plug_strategies" not in sys.modules
    found = Blueprint.parse({"name": "d", "scheme": {"strategy": {"name": "declared", "n": 4}}})
    assert found.scheme.strategy.name == "declared"
    assert "declared" in list(STRATEGIES)
    for name, said in {
        "broken": "strategy 'broken' of plug cannot be loaded from plug_broken:X: RuntimeError: half a file",
        "other": "strategy 'other' of plug: plug_strategies:Declared is not called so: its `name` is 'declared'",
        "none": "strategy 'none' of plug: plug_strategies:new_samples is not called so",
    }.items():
        with pytest.raises(BadInput, match=rf"scheme\.strategy: {said}"):
            Blueprint.parse({"name": "x", "scheme": {"strategy": name}})
    monkeypatch.delitem(sys.modules, "plug_strategies")


def test_the_table_itself_finds_them_and_still_says_key_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "declared = plug_strategies:Declared")
    monkeypatch.syspath_prepend(tmp_path)
    assert STRATEGIES["declared"].name == "declared"
    with pytest.raises(KeyError, match="nobody"):
        STRATEGIES["nobody"]
    monkeypatch.delitem(sys.modules, "plug_strategies")


@pytest.mark.slow
def test_the_command_line_uses_a_declared_strategy(tmp_path: Path) -> None:
    install(tmp_path, "declared = plug_strategies:Declared")
    (tmp_path / "mine.yaml").write_text("name: mine\nscheme: {granularity: solution, strategy: {name: declared}}\n")
    (tmp_path / "run.py").write_text(
        "import sys\nfrom reflectree.testing import LoopbackServer\nimport subprocess, os\n"
        "with LoopbackServer.in_process(reply='Answer: 42') as server:\n"
        "    os.environ['VLLM_BASE_URL'] = server.base_url\n"
        "    sys.exit(subprocess.call(['reflectree', 'solve', 'What is 6 times 7?', '-m', 'vllm/loopback',"
        " '-b', 'mine.yaml', '-o', 'run.jsonl', '-q']))\n"
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "42"
    shown = subprocess.run(  # a trace can be looked at where its strategy is not installed
        ["reflectree", "trace", "stats", "run.jsonl"],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
