"""The same training on TRL's trainer: it samples by our template, grades by our function, and moves the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_models import tiny_causal_lm

from reflectree.models.scoring.card import read_card
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.trainers.rl.episodes import Problem, Written
from reflectree.training.trainers.rl.on_trl import train_on_trl
from reflectree.training.trainers.rl.presets import settings
from reflectree.training.trainers.rl.train import RLReport

SMALL: dict[str, Any] = {"iterations": 2, "questions": 2, "samples": 4, "max_tokens": 4, "lr": 1e-2}
PROBLEMS = [Problem("Say something."), Problem("Say more.")]


def length(problem: Problem, written: Written) -> float:
    return min(1.0, len("".join(written.steps)) / 8)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["grpo", "grpo-paper", "rloo"])
def test_trl_trains_the_policy(preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tiny_causal_lm(tmp_path / "base", hidden=16, layers=1)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base")
    before = [parameter.clone() for parameter in model.parameters()]
    told: list[dict[str, Any]] = []

    def trained() -> RLReport:
        return train_on_trl(
            model, tokenizer, PROBLEMS, length, tmp_path / "out", settings(preset, **SMALL),
            on_iteration=told.append, use_cpu=True,
        )  # fmt: skip

    report = trained()
    assert len(report.history) == 2
    assert capsys.readouterr().out == ""  # of --json there is one object on stdout
    assert told == report.history
    assert all(row["tokens"] > 0 for row in told)
    assert all(0 <= row["accuracy"] <= row["reward"] for row in told)
    assert all(0 <= row["reward"] <= 1 for row in report.history)
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    card = read_card(tmp_path / "out")
    assert card is not None
    assert card.kind == "policy"
    assert trained() == report  # what is finished is not made again
    assert told == report.history


def test_a_folder_of_something_else_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(BadInput, match="is no training of this kind"):
        train_on_trl(None, None, PROBLEMS, length, tmp_path, settings("grpo"))


def test_credit_that_trl_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="TRL knows no credit 'vine'"):
        train_on_trl(None, None, PROBLEMS, length, tmp_path, settings("vineppo"))
