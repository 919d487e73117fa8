from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.engine import tree

from reflectree.graphs import blueprints
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput


@pytest.mark.parametrize("name", blueprints.names())
def test_every_named_system_loads_and_round_trips(name: str, tmp_path: Path) -> None:
    """That each runs is for the golden traces to show."""
    blueprint = blueprints.load(name)
    assert blueprint.name == name
    assert blueprint.description
    assert blueprint.source
    file = tmp_path / "mine.yaml"
    for full in (False, True):
        file.write_text(blueprints.dump(blueprint, full=full))
        assert blueprints.load(file) == blueprint
        assert blueprints.load(file).digest == blueprint.digest
    assert len(blueprints.dump(blueprint).splitlines()) <= 50
    (tmp_path / "mine.json").write_text(json.dumps(blueprint.model_dump(mode="json")))
    assert blueprints.load(str(tmp_path / "mine.json")) == blueprint


def test_the_names() -> None:
    assert {"best-of-n", "cot", "mcts", "self-consistency"} <= set(blueprints.names())
    assert blueprints.names() == sorted(blueprints.names())


def test_what_is_given_as_data_or_as_itself() -> None:
    assert blueprints.load(tree()) is not None
    assert isinstance(blueprints.load({"name": "x", "scheme": {"strategy": "cot"}}), Blueprint)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("mtcs", "unknown blueprint 'mtcs'; did you mean 'mcts'?"),
        ("", "unknown blueprint ''"),
        ("nowhere.yaml", "cannot read the blueprint nowhere.yaml: No such file"),
        ("../etc/passwd", "unknown blueprint"),
        ({}, "name: Field required"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(source: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        blueprints.load(source)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- a\n- b\n", "holds no blueprint"),
        ("", "holds no blueprint"),
        ("a: [", "is not YAML"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("name: x\nscheme: {strategy: {name: mcts}}\ncolour: red\n", "colour: unknown key"),
        ("\x00\x01", "is not YAML"),
    ],
)
def test_a_file_with_something_else_is_one_line(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    file.write_text(content)
    with pytest.raises(BadInput) as error:
        blueprints.load(file)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    file.write_bytes(b"\xff\xfe\xfa\x80")
    with pytest.raises(BadInput) as error:
        blueprints.load(file)
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput):
        blueprints.load(str(tmp_path) + "/folder.yaml")
