from __future__ import annotations

import json
from pathlib import Path

import pytest

from reflectree.graphs.tasksets import load_taskset
from reflectree.rlm_ops.errors import BadInput


def test_a_limit_is_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 task or more"):
        load_taskset(tmp_path / "any", limit=0)


def test_a_file_has_its_own_examples(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'examples' field"):
        load_taskset(tmp_path / "any", examples=2)
    with pytest.raises(BadInput, match="has no worked examples"):
        load_taskset("gsm8k", examples=2)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gsm8kk", "did you mean gsm8k"),
        ("countdown", "did you mean reasoning_gym:countdown"),
        ("countdown?min_numbers=3", "did you mean reasoning_gym:countdown"),
        ("famly:logic", "did you mean family:logic"),
        ("reasoning-gin:sudoku", "did you mean reasoning_gym:sudoku"),
        ("xyzzyx", "mix:SPEC"),
        ("gsm8kk.jsonl", "No such file"),
        ("nowhere/gsm8kk", "No such file"),
    ],
)
def test_names_that_are_none(spec: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        load_taskset(spec)
    assert "\n" not in str(caught.value)


def test_a_file_without_a_suffix_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_text(json.dumps({"question": "6*7?", "answer": 42}))
    monkeypatch.chdir(tmp_path)
    assert load_taskset("mine")[0].question == "6*7?"
