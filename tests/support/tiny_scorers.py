"""Folders of tiny models that score, of every kind and format that is loaded, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tests.support.tiny_models import CONFIGS, Arch, seeded, tiny_causal_lm, tiny_config, tiny_tokenizer
from transformers import (
    LlamaForSequenceClassification,
    LlamaForTokenClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from reflectree.models.neural.heads import ValueHead
from reflectree.models.scoring.card import Card

QUESTION = "Use 2, 3 and 4 to make 24."
STEPS = ("2 * 3 = 6", "6 * 4 = 24", "Answer: 24")


def value_model(path: Path, arch: Arch = "llama", **card: Any) -> Path:
    """A trunk with a value head, as we train it."""
    tiny_causal_lm(path, arch)
    head = seeded(lambda _: ValueHead(32), None, seed=1)
    for parameter in head.parameters():  # wide enough that values differ
        torch.nn.init.uniform_(parameter, -0.3, 0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    head.save(path)
    Card(**{"kind": "value-head", "name": "tiny-value", **card}).save(path)
    return path


def qwen_prm(path: Path, seed: int = 3) -> Path:
    """A folder as Qwen2.5-Math-PRM is published: an architecture that transformers lacks, remote code beside it."""
    model = tiny_causal_lm(path, "qwen2")
    config = json.loads((path / "config.json").read_text())
    config["architectures"] = ["Qwen2ForProcessRewardModel"]
    config["auto_map"] = {
        "AutoConfig": "configuration_qwen2_rm.Qwen2RMConfig",
        "AutoModel": "modeling_qwen2_rm.Qwen2ForProcessRewardModel",
    }
    (path / "config.json").write_text(json.dumps(config))
    (path / "modeling_qwen2_rm.py").write_text("raise SystemExit('code of a model was run')\n")
    (path / "configuration_qwen2_rm.py").write_text("raise SystemExit('code of a model was run')\n")
    draw = torch.Generator().manual_seed(seed)
    width = model.config.hidden_size
    more = {
        "score.0.weight": (width, width),
        "score.0.bias": (width,),
        "score.2.weight": (2, width),
        "score.2.bias": (2,),
    }
    return add_weights(path, {name: 0.2 * torch.randn(shape, generator=draw) for name, shape in more.items()})


def skywork(path: Path) -> Path:
    """A folder as Skywork-o1-Open-PRM is published: a language model with a linear layer of its own."""
    model = tiny_causal_lm(path, "qwen2")
    draw = torch.Generator().manual_seed(4)
    more = {"v_head.summary.weight": (1, model.config.hidden_size), "v_head.summary.bias": (1,)}
    return add_weights(path, {name: 0.2 * torch.randn(shape, generator=draw) for name, shape in more.items()})


def token_classifier(path: Path, **card: Any) -> Path:
    """A token classifier, as we train it."""
    config = tiny_config("llama", num_labels=2)
    tiny_tokenizer(path)
    seeded(LlamaForTokenClassification, config).save_pretrained(path)
    Card(**{"kind": "token-classifier", **card}).save(path)
    return path


def sequence_classifier(path: Path, labels: int = 1, seed: int = 0) -> Path:
    """A causal sequence classifier without a card."""
    tiny_tokenizer(path)
    seeded(LlamaForSequenceClassification, tiny_config("llama", num_labels=labels), seed).save_pretrained(path)
    return path


def encoder(path: Path) -> Path:
    """A sequence classifier that reads in both directions."""
    tokenizer = tiny_tokenizer(path)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(path)
    (path / "chat_template.jinja").unlink(missing_ok=True)
    config = RobertaConfig(
        vocab_size=280,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_labels=1,  # pyright: ignore[reportCallIssue]
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        initializer_range=0.3,
    )
    seeded(RobertaForSequenceClassification, config).save_pretrained(path)
    return path


def implicit(path: Path, beta: float = 0.05) -> Path:
    """A policy with its reference inside its folder."""
    tiny_causal_lm(path, "llama", seed=1)
    tiny_causal_lm(path / "reference", "llama", seed=0)
    Card(kind="implicit-prm", reference="reference", beta=beta).save(path)
    return path


def add_weights(path: Path, more: dict[str, torch.Tensor]) -> Path:
    """Put weights beside those of a model."""
    file = path / "model.safetensors"
    save_file({**load_file(file), **more}, file, metadata={"format": "pt"})
    return path


def reference_logits(path: Path, arch: Arch, ids: Any) -> torch.Tensor:
    """What the model in a folder says of ids, by transformers alone, (tokens, vocabulary)."""
    model: Any = CONFIGS[arch][1].from_pretrained(path)
    with torch.inference_mode():
        logits: torch.Tensor = model.eval()(torch.tensor([list(ids)])).logits[0]
    return logits
