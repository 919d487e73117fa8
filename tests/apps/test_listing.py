from __future__ import annotations

import json
from pathlib import Path

from tests.apps.conftest import Cli

from reflectree.graphs import blueprints


def test_every_blueprint_is_listed_with_its_source(cli: Cli) -> None:
    out = cli("blueprints").out
    for name in blueprints.names():
        assert name in out
    assert "2501.11223" in out


def test_show_prints_what_can_be_loaded_again(cli: Cli, tmp_path: Path) -> None:
    out = cli("blueprints", "show", "mcts", "--set", "scheme.strategy.width=2").out
    (tmp_path / "mine.yaml").write_text(out)
    mine = blueprints.load(tmp_path / "mine.yaml")
    assert mine.scheme.strategy.limits().width == 2
    assert mine == blueprints.load("mcts").with_overrides({"scheme.strategy.width": 2})
    assert cli("blueprints", "show", tmp_path / "mine.yaml").out == out


def test_an_unknown_blueprint_names_the_nearest(cli: Cli) -> None:
    done = cli("blueprints", "show", "best-off-n")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'best-of-n'" in done.err


def test_task_sets_are_listed_by_group(cli: Cli) -> None:
    out = cli("tasksets", "logic").out
    assert "family:logic" in out
    assert "family:mathematics" not in out
    listed = json.loads(cli("tasksets", "--json").out)
    assert {"name", "group", "about"} == set(listed[0])
    assert "gsm8k" in {entry["name"] for entry in listed}
    done = cli("tasksets", "magic")
    assert (done.code, done.out) == (2, "")
    assert "commonsense" in done.err
