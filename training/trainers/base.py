"""The model a training starts from: loaded from a folder, given the step token and adapters, and written again.

Safetensors only, no code from the folder, no network. Weights are kept in single precision. It knows nothing of losses
and samples.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)
from transformers.utils import logging as hf_logging

from reflectree.models.neural.weights import load_tokenizer
from reflectree.models.scoring.template import add_step_token
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.training.trainers.settings import Lora

LOADERS: dict[str, Any] = {
    "policy": AutoModelForCausalLM,
    "trunk": AutoModel,
    "tokens": AutoModelForTokenClassification,
    "sequence": AutoModelForSequenceClassification,
}
"""The class a model is loaded as, by what it is to be."""


@dataclass(frozen=True)
class Base:
    """A model's folder with its tokenizer.

    Attributes:
        folder: Where it lies.
        tokenizer: Its tokenizer, with the step token.
        grown: The step token's id, where the tokenizer had none: the model then has no weights for it yet.
        limit: The most tokens the model reads.
    """

    folder: Path
    tokenizer: Any
    grown: int | None
    limit: int

    def load(self, kind: str, **config: Any) -> Any:
        """The model in single precision, in training's shape.

        Args:
            kind: One of `LOADERS`.
            config: Fields of its configuration that are set otherwise, as `num_labels`.

        Raises:
            BadInput: A policy is wanted, and the folder holds something without an output layer.
        """
        wanted = AutoConfig.from_pretrained(self.folder, **_LOCAL)
        if kind == "policy" and not any(
            name.endswith(("CausalLM", "LMHeadModel")) for name in wanted.architectures or ()
        ):
            raise BadInput(
                f"{self.folder} is no language model ({', '.join(wanted.architectures or ())}): start from one"
            )
        for name, value in config.items():
            setattr(wanted, name, value)
        with quiet():
            model = LOADERS[kind].from_pretrained(
                self.folder, config=wanted, **_LOCAL, use_safetensors=True, dtype=torch.float32
            )
        if self.grown is not None:
            grow(model, len(self.tokenizer), self.grown)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = self.tokenizer.pad_token_id
        model.config.use_cache = False
        return model


_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


def open_base(folder: Path, step_tag: str | None) -> Base:
    """A model's folder, its tokenizer loaded and the step token added where one is used.

    Raises:
        BadInput: It is no folder of a model, or has no safetensors.
    """
    if not (folder / "config.json").is_file():
        raise BadInput(f"{folder} is no model's folder: give one with config.json, weights and a tokenizer")
    if not weight_files(folder):
        raise BadInput(f"{folder} has no *.safetensors weights: convert them (other formats can carry code)")
    try:
        config = AutoConfig.from_pretrained(folder, **_LOCAL)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    tokenizer = load_tokenizer(folder)  # the one that scorers and policies read with
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    grown = None
    if step_tag is not None and tokenizer.convert_tokens_to_ids(step_tag) in (None, tokenizer.unk_token_id):
        add_step_token(tokenizer, step_tag)
        grown = int(tokenizer.convert_tokens_to_ids(step_tag))
    limit = getattr(config.get_text_config(), "max_position_embeddings", None) or tokenizer.model_max_length
    return Base(folder, tokenizer, grown, int(limit))


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a folder, in order of name."""
    return sorted(folder.glob("*.safetensors"))


def folder_digest(folder: Path) -> str:
    """A digest of a model's configuration and weights: the same weights elsewhere have the same."""
    found = hashlib.sha256((folder / "config.json").read_bytes())
    for path in weight_files(folder):
        with path.open("rb") as file:
            found.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]


def grow(model: Any, tokens: int, new: int) -> None:
    """Make room for a new token: its embeddings are the means of all others, on the way in and on the way out.

    A mean needs no random numbers, and an output of mean logit neither drowns nor swamps the others.
    """
    places = model.get_input_embeddings().weight.shape[0]
    if tokens > places:
        model.resize_token_embeddings(tokens, mean_resizing=False)
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    seen: set[int] = set()
    with torch.no_grad():
        for layer in layers:
            if layer is not None and id(layer.weight) not in seen:
                seen.add(id(layer.weight))
                layer.weight[new] = layer.weight[: min(places, new)].mean(0)


def adapted(model: Any, lora: Lora | None, *, head: str | None = None, new_token: int | None = None) -> Any:
    """The model with adapters, or as it is where there are none to be; arguments and errors as of `adapters`."""
    config = adapters(model, lora, head=head, new_token=new_token)
    if config is None:
        return model
    with quiet():
        return require("peft", "training", "training with adapters").get_peft_model(model, config)


def adapters(model: Any, lora: Lora | None, *, head: str | None = None, new_token: int | None = None) -> Any:
    """The adapters a model is to have, as peft's configuration; none where there are none to be.

    Args:
        model: A Hugging Face model.
        lora: The adapters.
        head: Name of a module that is learnt whole, because it is new.
        new_token: A token that is new: its embedding is learnt beside the adapters, and the output layer whole, or the
            model could never learn to write it.

    Raises:
        BadInput: The model has no layers of the names asked for.
    """
    if lora is None:
        return None
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    if not isinstance(lora.targets, str) and (missing := set(lora.targets) - names):
        raise BadInput(f"adapters on {min(missing)!r}: the model has no such layer; take targets='all-linear'")
    peft = require("peft", "training", "training with adapters")
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    whole = [head] if head else []
    row: dict[str, list[int]] | None = None
    tied = bool(model.config.get_text_config().tie_word_embeddings) and model.get_output_embeddings() is not None
    if new_token is not None:
        embedding = _name_of(model, model.get_input_embeddings())
        if tied:  # one matrix reads and writes the token
            whole.append(embedding)
        else:
            row = {embedding: [new_token]}
            if model.get_output_embeddings() is not None:
                whole.append(_name_of(model, model.get_output_embeddings()))
    return peft.LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        modules_to_save=whole or None,
        trainable_token_indices=row,
        ensure_weight_tying=tied and new_token is not None,
    )


def _name_of(model: Any, wanted: Any) -> str:
    name: str = next(name for name, part in model.named_modules() if part is wanted)
    return name.rpartition(".")[2]


def merged(model: Any) -> Any:
    """The model with its adapters merged into its weights."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def write(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model's weights (safetensors), configuration and tokenizer.

    Raises:
        FloatingPointError: A weight is no number.
    """
    for name, weight in model.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise FloatingPointError(f"the weight {name} is no number any more")
    model.config.use_cache = True
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars over files, no report that a language model loaded as a classifier has a new head."""
    bars = hf_logging.is_progress_bar_enabled()
    before = hf_logging.get_verbosity()
    hf_logging.disable_progress_bar()
    hf_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            # peft 0.21 and TRL 1.16 use properties that transformers 5.23 calls by other names
            warnings.filterwarnings("ignore", message="Setting `save_embedding_layers` to `True`")  # as it should be
            warnings.filterwarnings("ignore", message=r"`\w*gradient_checkpointing\w*` is deprecated")
            yield
    finally:
        hf_logging.set_verbosity(before)
        if bars:
            hf_logging.enable_progress_bar()
