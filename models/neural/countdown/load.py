"""Loads the Countdown models: those that ship with the package, or those of another training in a folder.

A folder holds `config.json`, `model.safetensors`, the tokenizer and a card; a value model's has `head.safetensors`,
too. Loading happens at the first call, on the model's own thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.net import VOCABULARY, tokenizer
from reflectree.models.neural.countdown.policy import CountdownPolicy
from reflectree.models.neural.countdown.scorer import FORMAT, CountdownScorer, parameters_of
from reflectree.models.neural.heads import ValueHead, load_head
from reflectree.models.neural.weights import load_model, quiet
from reflectree.models.scoring.card import Card, read_card
from reflectree.models.values.in_process import InProcessValues
from reflectree.rlm_ops.errors import BadInput

WEIGHTS = Path(__file__).parent / "weights"
POLICY, VALUE = "countdown-policy", "countdown-value"


def load_policy(folder: str | Path | None = None) -> CountdownPolicy:
    """The policy; the one that ships with the package where no folder is given.

    Raises:
        BadInput: There is no Countdown policy in the folder.
    """
    path = _folder(folder or WEIGHTS / "policy", "policy")
    return CountdownPolicy(lambda: policy_network(path), POLICY)


def load_value(folder: str | Path | None = None) -> InProcessValues:
    """The value model in this process; the one that ships with the package where no folder is given.

    Raises:
        BadInput: There is no Countdown value model in the folder.
    """
    path = _folder(folder or WEIGHTS / "value", "value-head")
    return InProcessValues(lambda: load_scorer(path), VALUE)


def load_scorer(folder: str | Path | None = None) -> CountdownScorer:
    """The value model as the value server drives it.

    Raises:
        BadInput: There is no Countdown value model in the folder.
    """
    path = _folder(folder or WEIGHTS / "value", "value-head")
    trunk, head = value_modules(path)
    card = read_card(path)
    name = card.name if card and card.name else VALUE
    return CountdownScorer(Network(trunk), head, name, parameters_of(trunk, head))


def policy_network(folder: str | Path) -> Network:
    """The policy's weights, ready to draw with."""
    from transformers import LlamaForCausalLM

    return Network(_checked(load_model(LlamaForCausalLM, Path(folder), torch.float32, torch.device("cpu"))))


def value_modules(folder: str | Path) -> tuple[Any, ValueHead]:
    """A value model's trunk and head."""
    from transformers import LlamaModel

    trunk = _checked(load_model(LlamaModel, Path(folder), torch.float32, torch.device("cpu")))
    return trunk, load_head(Path(folder), trunk.config.hidden_size)


def save_policy(model: Any, folder: str | Path, training: dict[str, Any]) -> None:
    """Write a policy with its tokenizer and card."""
    _save(model, Path(folder), Card(kind="policy", name=POLICY, format=FORMAT, training=training))


def save_value(trunk: Any, head: ValueHead, folder: str | Path, training: dict[str, Any]) -> None:
    """Write a value model with its tokenizer and card."""
    _save(trunk, Path(folder), Card(kind="value-head", name=VALUE, format=FORMAT, training=training))
    head.save(folder)


def _save(model: Any, folder: Path, card: Card) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    card.save(folder)


def _folder(folder: str | Path, kind: str) -> Path:
    path = Path(folder)
    card = read_card(path)
    if card is None or card.format != FORMAT or card.kind != kind:
        what = "policy" if kind == "policy" else "value model"
        raise BadInput(f"{path} holds no Countdown {what}: train one with python -m reflectree.training.countdown")
    return path


def _checked(model: Any) -> Any:
    if model.config.vocab_size != len(VOCABULARY):
        raise BadInput(f"the model reads {model.config.vocab_size} characters, not {len(VOCABULARY)}: train it again")
    return model.eval().requires_grad_(False)
