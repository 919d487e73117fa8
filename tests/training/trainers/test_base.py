import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.tiny_models import tiny_causal_lm, tiny_tokenizer
from tests.support.training_jobs import QUICK, samples_of

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.trainers import train
from reflectree.training.trainers.base import adapted, folder_digest, merged, open_base, write
from reflectree.training.trainers.settings import Lora

TAG = "<|step|>"


@pytest.fixture
def without_tag(tmp_path: Path) -> Path:
    """A base whose tokenizer has no step token, and whose embeddings have no room for one."""
    folder = tmp_path / "untagged"
    tiny_causal_lm(folder, vocab_size=269)
    tiny_tokenizer(folder, step_token=False)
    return folder


def test_a_new_token_has_the_mean_of_the_others(without_tag: Path) -> None:
    base = open_base(without_tag, TAG)
    assert base.grown == 269
    model = base.load("policy")
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        assert layer.weight.shape[0] == 270
        assert torch.allclose(layer.weight[269], layer.weight[:269].mean(0))
    again = base.load("policy")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_known_token_changes_nothing(base: Path) -> None:
    opened = open_base(base, TAG)
    assert opened.grown is None
    assert opened.limit == 512
    before = load_file(base / "model.safetensors")["model.embed_tokens.weight"]
    assert torch.equal(opened.load("policy").get_input_embeddings().weight, before)


def test_formats_without_our_tag_add_no_token(without_tag: Path) -> None:
    opened = open_base(without_tag, None)
    assert opened.grown is None
    assert len(opened.tokenizer) == 269


@pytest.mark.parametrize("kind", ["policy", "trunk", "tokens", "sequence"])
def test_adapters_learn_a_part_and_are_merged(base: Path, kind: str, tmp_path: Path) -> None:
    model = open_base(base, TAG).load(kind)
    whole = sum(weight.numel() for weight in model.parameters())
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    head = "score" if kind in ("tokens", "sequence") else None
    made = adapted(model, Lora(r=2), head=head)
    learnt = [weight for weight in made.parameters() if weight.requires_grad]
    assert 0 < sum(weight.numel() for weight in learnt) < whole / 2
    with torch.no_grad():
        for weight in learnt:
            weight += 0.1
    plain = merged(made)
    assert {name for name, _ in plain.named_parameters()} == set(before)
    changed = [name for name, weight in plain.named_parameters() if not torch.equal(weight, before[name])]
    assert any("q_proj" in name for name in changed)
    assert not any("embed" in name or "norm" in name for name in changed)
    write(plain, open_base(base, TAG).tokenizer, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


def test_a_new_token_is_learnt_beside_adapters(without_tag: Path) -> None:
    opened = open_base(without_tag, TAG)
    model = adapted(opened.load("policy"), Lora(r=2), new_token=opened.grown)
    ids = torch.tensor([[4, 269, 5]])
    model(input_ids=ids, labels=ids).loss.backward()
    graded = {name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.abs().sum()}
    assert any("embed_tokens" in name for name in graded)
    assert any("lm_head" in name for name in graded)


def test_no_layers_of_that_name(base: Path) -> None:
    with pytest.raises(BadInput, match="adapters on 'nothing': the model has no such layer"):
        adapted(open_base(base, TAG).load("policy"), Lora(targets=("nothing",)))


def test_safetensors_only(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(base, folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"has no \*.safetensors weights: convert them"):
        open_base(folder, TAG)


def test_what_is_no_model(tmp_path: Path, base: Path) -> None:
    with pytest.raises(BadInput, match="is no model's folder"):
        open_base(tmp_path / "nowhere", TAG)
    folder = tmp_path / "broken"
    shutil.copytree(base, folder)
    (folder / "config.json").write_text('{"model_type": "of nobody"}')
    with pytest.raises(BadInput, match="cannot be loaded"):
        open_base(folder, TAG)


def test_a_trunk_is_no_policy(base: Path, tmp_path: Path) -> None:
    opened = open_base(base, TAG)
    write(opened.load("trunk"), opened.tokenizer, tmp_path)
    with pytest.raises(BadInput, match=r"is no language model \(LlamaModel\)"):
        open_base(tmp_path, TAG).load("policy")


def test_broken_weights_are_not_written(base: Path, tmp_path: Path) -> None:
    opened = open_base(base, TAG)
    model = opened.load("policy")
    with torch.no_grad():
        model.lm_head.weight[3, 3] = float("nan")
    with pytest.raises(FloatingPointError, match=r"lm_head\.weight"):
        write(model, opened.tokenizer, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_digest_is_of_configuration_and_weights(base: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(base, copy)
    assert folder_digest(copy) == folder_digest(base)
    tiny_causal_lm(copy, seed=1)
    assert folder_digest(copy) != folder_digest(base)


@pytest.mark.parametrize("kind", ["policy", "trunk", "tokens", "sequence"])
def test_every_shape_grows(without_tag: Path, kind: str) -> None:
    model = open_base(without_tag, TAG).load(kind)
    weight = model.get_input_embeddings().weight
    assert weight.shape[0] == 270
    assert torch.allclose(weight[269], weight[:269].mean(0))
    assert model(input_ids=torch.tensor([[2, 269]]))[0].isfinite().all()


@pytest.mark.parametrize("lora", [None, {"r": 2}])
@pytest.mark.parametrize(("name", "kind"), [("sft", "solution"), ("value", "valued")])
def test_tied_embeddings_and_a_new_token(tmp_path: Path, name: str, kind: str, lora: Any) -> None:
    tiny_causal_lm(tmp_path / "base", vocab_size=269, tie_word_embeddings=True)
    tiny_tokenizer(tmp_path / "base", step_token=False)
    settings = {**QUICK, "epochs": 2, "checkpoint": 2, "lora": lora}
    report = train(name, samples_of(kind), tmp_path / "base", tmp_path / "out", settings)
    assert report.loss_last < report.loss_first
    state = load_file(tmp_path / "out" / "model.safetensors")
    assert "lm_head.weight" not in state
    (embeddings,) = (tensor for tensor_name, tensor in state.items() if "embed_tokens" in tensor_name)
    assert embeddings.shape[0] == 270
