"""The path all trainers share, on the value trainer: it is the quickest."""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.tiny_models import tiny_causal_lm, tiny_tokenizer
from tests.support.training_jobs import QUICK, samples_of

from reflectree.models.scoring.card import read_card
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import KINDS, Valued
from reflectree.training.trainers import TRAINERS, Diverged, Progress, Report, folders, train
from reflectree.training.trainers.report import read_report

VALUES = samples_of("valued")


class Stop(Exception):
    """The user pressed a key."""


def run(base: Path, out: Path, **changes: Any) -> Report:
    keys = ("valid", "resume", "on_progress", "command")
    options = {key: changes.pop(key) for key in keys if key in changes}
    return train(
        changes.pop("name", "value"), changes.pop("samples", VALUES), base, out, {**QUICK, **changes}, **options
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = load_file(folder / "model.safetensors")
    head = folder / "head.safetensors"
    return {**found, **(load_file(head) if head.exists() else {})}


def same(a: Path, b: Path) -> bool:
    ours, theirs = weights(a), weights(b)
    return set(ours) == set(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)


def history(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "loss.jsonl").read_text().splitlines()]


def stopper(at: int) -> Any:
    def on_progress(progress: Progress) -> None:
        if progress.step == at:
            raise Stop

    return on_progress


@pytest.mark.parametrize("lora", [None, {"r": 2, "dropout": 0.1}])
def test_interrupted_and_resumed_equals_uninterrupted(base: Path, tmp_path: Path, lora: Any) -> None:
    settings = {"checkpoint": 2, "lora": lora, "valid": VALUES[:2], "accumulate": 2}
    whole = run(base, tmp_path / "whole", **settings)
    with pytest.raises(Stop):
        run(base, tmp_path / "parts", on_progress=stopper(5), **settings)
    assert not (tmp_path / "parts").exists()
    seen: list[int] = []
    report = run(base, tmp_path / "parts", on_progress=lambda progress: seen.append(progress.step), **settings)
    assert seen == [5, 6]
    assert same(tmp_path / "whole", tmp_path / "parts")
    assert history(tmp_path / "whole") == history(tmp_path / "parts")
    assert replace(report, seconds=0, folder=whole.folder) == replace(whole, seconds=0)


def test_interrupted_policy_training_is_resumed_the_same(base: Path, tmp_path: Path) -> None:
    settings = {"name": "sft", "samples": samples_of("solution"), "checkpoint": 2, "epochs": 2}
    run(base, tmp_path / "whole", **settings)
    with pytest.raises(Stop):
        run(base, tmp_path / "parts", on_progress=stopper(3), **settings)
    run(base, tmp_path / "parts", **settings)
    assert same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("tied", [False, True])
def test_adapters_and_a_new_token_are_resumed_the_same(tmp_path: Path, tied: bool) -> None:
    base = tmp_path / "base"
    tiny_causal_lm(base, vocab_size=269, tie_word_embeddings=tied)
    tiny_tokenizer(base, step_token=False)
    settings = {"name": "dpo", "samples": samples_of("preferred"), "checkpoint": 2, "epochs": 2, "lora": {"r": 2}}
    run(base, tmp_path / "whole", **settings)
    with pytest.raises(Stop):
        run(base, tmp_path / "parts", on_progress=stopper(3), **settings)
    run(base, tmp_path / "parts", **settings)
    assert same(tmp_path / "whole", tmp_path / "parts")


def test_interrupted_while_writing(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(folders, "publish", lambda *args: (_ for _ in ()).throw(Stop))
        with pytest.raises(Stop):
            run(base, tmp_path / "out", checkpoint=4)
    assert not (tmp_path / "out").exists()
    seen: list[int] = []
    run(base, tmp_path / "out", checkpoint=4, on_progress=lambda progress: seen.append(progress.step))
    assert seen == []
    run(base, tmp_path / "other", checkpoint=4)
    assert same(tmp_path / "out", tmp_path / "other")


def test_the_same_call_again_gives_the_report(base: Path, tmp_path: Path) -> None:
    first = run(base, tmp_path / "out", epochs=1)
    assert run(base, tmp_path / "out", epochs=1, on_progress=stopper(1)) == first
    with pytest.raises(BadInput, match="is no model of this training"):
        run(base, tmp_path / "out", epochs=2)
    with pytest.raises(BadInput, match="exists: choose another folder"):
        run(base, tmp_path / "out", epochs=1, resume=False)


def test_beginning_anew(base: Path, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        run(base, tmp_path / "out", checkpoint=2, on_progress=stopper(4))
    with pytest.raises(BadInput, match="half-done training of other data"):
        run(base, tmp_path / "out", samples=VALUES[1:])
    seen: list[int] = []
    run(base, tmp_path / "out", resume=False, on_progress=lambda progress: seen.append(progress.step))
    assert seen[0] == 1


def test_same_seed_same_weights(base: Path, tmp_path: Path) -> None:
    run(base, tmp_path / "a", epochs=1)
    run(base, tmp_path / "b", epochs=1)
    run(base, tmp_path / "c", epochs=1, seed=1)
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")


def test_measuring_changes_nothing(base: Path, tmp_path: Path) -> None:
    held = [Valued(question="other", steps=("good",), value=0.9)]
    measured = run(base, tmp_path / "a", valid=held)
    run(base, tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")
    assert measured.valid == 1
    assert measured.valid_first is not None
    assert measured.valid_last is not None


@pytest.mark.parametrize("name", ["value", "implicit", "sft", "dpo"])
def test_half_precision_and_recomputing(base: Path, tmp_path: Path, name: str) -> None:
    samples = samples_of(TRAINERS[name].kinds[0])
    settings = {"dtype": "bfloat16", "recompute": True, "epochs": 2}
    report = run(base, tmp_path / "out", name=name, samples=samples, **settings)
    assert report.loss_last < report.loss_first
    assert all(weight.dtype == torch.float32 for weight in weights(tmp_path / "out").values())
    if name in ("implicit", "dpo"):  # model and reference are computed in the same precision
        assert report.loss_first == pytest.approx(math.log(2), rel=0.05)


def test_what_is_written(base: Path, tmp_path: Path) -> None:
    report = run(base, tmp_path / "out", epochs=2, command="reflectree train value")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert read_report(tmp_path / "out") == report
    lines = history(tmp_path / "out")
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert report.steps == 4
    assert lines[-1]["tokens"] == report.tokens > 0
    assert (report.loss_first, report.loss_last) == (lines[0]["loss"], lines[-1]["loss"])
    card = read_card(tmp_path / "out")
    assert card is not None
    assert (card.kind, card.base, card.name) == ("value-head", "base", "out")
    assert card.training["command"] == "reflectree train value"
    assert {"trainer", "settings", "data", "seed", "key"} <= set(card.training)


def test_no_number_stops_it(base: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    model = load_file(broken / "model.safetensors")
    model["model.norm.weight"][0] = float("nan")
    save_file(model, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Diverged, match="the loss is no number at update 1: lower lr"):
        run(broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_last_update_writes_nothing(base: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="no number"):
        run(base, tmp_path / "out", lr=1e30, clip=0, max_steps=3)
    assert not (tmp_path / "out").exists()


def test_too_long(base: Path, tmp_path: Path) -> None:
    long = [Valued(question="q", steps=("x" * 600,), value=0.5), *VALUES]
    with pytest.raises(BadInput, match=r"1 of 9 samples have more than 512 tokens \(the longest 60\d\)"):
        run(base, tmp_path / "out", samples=long)
    report = run(base, tmp_path / "out", samples=long, overlong="drop", epochs=1, resume=False)
    assert (report.samples, report.dropped) == (8, (("overlong", 1),))
    with pytest.raises(BadInput, match="all samples have more than 2 tokens"):
        run(base, tmp_path / "none", overlong="drop", max_tokens=2)


def test_a_gpu_that_is_not_there(base: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(BadInput, match="no GPU is found"):
        run(base, tmp_path / "out", device="cuda")


def test_no_such_trainer(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no trainer 'ppo2': it is one of sft"):
        train("ppo2", VALUES, base, tmp_path / "out")


def test_the_kinds_named_are_kinds_of_samples() -> None:
    for name, spec in TRAINERS.items():
        assert set(spec.kinds) <= set(KINDS), name
        assert spec.settings(), name
        assert (Path(str(sys.modules["reflectree.training.trainers"].__file__)).parent / f"{spec.module}.py").is_file()


def test_looking_trainers_up_loads_no_torch() -> None:
    code = (
        "import sys; from reflectree.training.trainers import TRAINERS; assert TRAINERS; "
        "print([m for m in ('torch', 'transformers', 'trl', 'peft', 'datasets') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
