import json
from pathlib import Path

import pytest

from reflectree.training.countdown.__main__ import main
from reflectree.training.countdown.recipe import QUICK
from reflectree.training.countdown.stages import Training


@pytest.mark.slow
def test_the_whole_loop_from_nothing_to_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("reasoning_gym")
    assert main(["demo", "--quick", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "path sampling, value" in said
    assert "the value model is served at http://127.0.0.1:" in said
    for name in ("sft", "value", "policy-1"):
        card = json.loads((tmp_path / name / "reflectree.json").read_text())
        assert card["format"] == "countdown"
        assert card["training"]["seed"] == 1
        assert (tmp_path / name / "model.safetensors").exists()
    lines: list[str] = []
    Training(tmp_path, QUICK, 1, lines.append).run()  # nothing is done twice
    assert lines == [f"{stage}: done before" for stage in ("sft", "labels", "value", "policy-1")]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    for name in ("a", "b"):
        Training(tmp_path / name, QUICK, 7, lambda line: None).run()
    for file in ("policy-1/model.safetensors", "value/model.safetensors", "value/head.safetensors"):
        first, second = load_file(tmp_path / "a" / file), load_file(tmp_path / "b" / file)
        assert all(first[key].equal(second[key]) for key in first)
