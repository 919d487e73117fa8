"""A scorer from a folder: its card, or where there is none its configuration, decides how it is read.

Published reward models are recognised by their architecture, weights or name; `kind` and `format` say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from reflectree.models.neural.forward import near
from reflectree.models.neural.heads import load_head
from reflectree.models.neural.recognise import SAYING, card_of
from reflectree.models.neural.scorers.base import Loaded
from reflectree.models.neural.scorers.implicit_prm import ImplicitPRM
from reflectree.models.neural.scorers.preference import BradleyTerry, GenerativePreference
from reflectree.models.neural.scorers.sequence_classifier import SequenceClassifier
from reflectree.models.neural.scorers.token_classifier import (
    ProcessHead,
    SummaryHead,
    TokenClassifier,
    classes,
    good_class,
    said,
)
from reflectree.models.neural.scorers.value_head import ValueHeadScorer
from reflectree.models.neural.weights import (
    Dtype,
    configuration,
    folder_of,
    load_model,
    load_tokenizer,
    tensor_names,
    tensors,
)
from reflectree.models.scoring.card import Card, read_card
from reflectree.models.scoring.formats import FORMATS, format_of
from reflectree.models.scoring.items import Encoded, Item, ItemRefused, Kind, Scorer
from reflectree.rlm_ops.errors import BadInput

PREFIX_TOKENS = 65_536
"""Tokens whose keys and values are kept, unless something else is said: 57 kB each in a Qwen2.5 7B."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from and where it goes."""

    folder: Path
    config: Any
    device: torch.device
    dtype: torch.dtype

    def load(self, kind: Any, folder: Path | None = None) -> Any:
        """A model of an automatic class."""
        return load_model(kind, folder or self.folder, self.dtype, self.device)

    def head(self, module: nn.Module, prefix: str) -> nn.Module:
        """A head whose weights stand among the model's own, under a prefix."""
        names = [f"{prefix}{name}" for name in module.state_dict()]
        missing = set(names) - tensor_names(self.folder)
        if missing:
            raise BadInput(
                f"{self.folder} has no weights {', '.join(sorted(missing))}: name the model's kind and format"
            )
        state = {name.removeprefix(prefix): tensor for name, tensor in tensors(self.folder, names).items()}
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            last = str(error).splitlines()[-1].strip()
            raise BadInput(f"the head in {self.folder} does not fit its base: {last}") from error
        return module.eval().requires_grad_(False).to(self.device, self.dtype)


def load_scorer(
    path_or_name: str | Path,
    *,
    device: str = "auto",
    dtype: Dtype = "auto",
    kind: Kind | None = None,
    format: str | None = None,
    card: Card | None = None,
    reference: str | Path | None = None,
    prefix_cache_tokens: int = PREFIX_TOKENS,
    local_files_only: bool = True,
) -> Scorer:
    """Load a model that scores.

    Args:
        path_or_name: A folder, or the name of a model in the Hugging Face cache.
        device: `auto` takes a GPU where there is one.
        dtype: `auto` is bfloat16 on a GPU and float32 elsewhere.
        kind: How scores are read, where the folder does not say it or is to be overruled.
        format: How items become tokens, likewise.
        card: Stands in for the folder's own card.
        reference: The reference model of an implicit reward model, where its card names none.
        prefix_cache_tokens: The most tokens whose keys and values are kept; 0 computes everything anew.
        local_files_only: Never download.

    Raises:
        BadInput: It cannot be loaded as a scorer; the message says what to do.
    """
    folder = folder_of(path_or_name, local_files_only)
    config = configuration(folder)
    where = _device(device)
    source = Source(folder, config, where, _dtype(dtype, where))
    card = card_of(folder, config, card or read_card(folder), kind, format, str(path_or_name))
    tokenizer = load_tokenizer(folder)
    loaded = Loaded(
        name=card.name or Path(path_or_name).name,
        card=card,
        tokenizer=tokenizer,
        context_tokens=_context(config, tokenizer),
        prefix_tokens=prefix_cache_tokens,
    )
    _check_format(loaded)
    return _build(source, loaded, reference)


def _build(source: Source, loaded: Loaded, reference: str | Path | None) -> Scorer:
    card = loaded.card
    match card.kind:
        case "value-head":
            trunk = source.load(AutoModel)
            head = load_head(source.folder, trunk.config.get_text_config().hidden_size).to(source.device)
            return ValueHeadScorer(loaded, trunk, head.requires_grad_(False))
        case "token-classifier":
            return _token_classifier(source, loaded)
        case "sequence-classifier":
            return SequenceClassifier(loaded, source.load(AutoModelForSequenceClassification))
        case "preference" if card.format == "pair":
            model, trunk, head = _language_model(source)
            return GenerativePreference(loaded, model, trunk, head)
        case "preference":
            return BradleyTerry(loaded, source.load(AutoModelForSequenceClassification))
        case _:
            policy = _language_model(source)
            other = _language_model(source, _reference(source, loaded, reference))
            if policy[0].config.vocab_size != other[0].config.vocab_size:
                raise BadInput("the reference has another vocabulary: give the model that training began with")
            return ImplicitPRM(loaded, policy, other)


def _token_classifier(source: Source, loaded: Loaded) -> Scorer:
    format = loaded.card.format
    if format in SAYING:
        _, trunk, head = _language_model(source)
        return TokenClassifier(
            loaded, trunk, [head], said(head, format_of(format).labels(loaded.tokenizer, loaded.card))
        )
    names = tensor_names(source.folder)
    if format == "skywork" and "v_head.summary.weight" in names:
        trunk = source.load(AutoModel)
        head = source.head(SummaryHead(_width(trunk)), "v_head.summary.")
        return TokenClassifier(loaded, trunk, [head], classes(head, 0))
    if "score.2.weight" in names:
        trunk = source.load(AutoModel)
        labels = int(tensors(source.folder, ["score.2.weight"])["score.2.weight"].shape[0])
        head = source.head(ProcessHead(_width(trunk), labels), "score.")
        return TokenClassifier(loaded, trunk, [head], classes(head, labels - 1))
    model = source.load(AutoModelForTokenClassification)
    layer: Any = getattr(model, "score", None) or getattr(model, "classifier", None)
    _same(model, layer)
    return TokenClassifier(loaded, model.base_model, [layer], classes(layer, good_class(model.config, loaded)))


def _language_model(source: Source, folder: Path | None = None) -> tuple[Any, Any, Any]:
    """A causal language model, its trunk and its head."""
    model = source.load(AutoModelForCausalLM, folder)
    _same(model, model.get_output_embeddings())
    return model, model.base_model, model.get_output_embeddings()


def _same(model: Any, head: Any) -> None:
    """Make sure that trunk and head are all of the model: some architectures scale or cap their logits afterwards.

    Raises:
        BadInput: They are not.
    """
    ids = torch.tensor([[1, 2]], device=next(model.parameters()).device)
    with torch.inference_mode():
        if head is None or not near(
            model(input_ids=ids).logits.float(), head(model.base_model(input_ids=ids).last_hidden_state).float(), 0.02
        ):
            raise BadInput(f"{type(model).__name__} changes its logits after the head, which is not supported")


def _width(trunk: Any) -> int:
    return int(trunk.config.get_text_config().hidden_size)


def _reference(source: Source, loaded: Loaded, reference: str | Path | None) -> Path:
    """The folder of the reference model; the card's is relative to the card."""
    if reference is not None:
        return folder_of(reference)
    if loaded.card.reference is None:
        raise BadInput("an implicit reward model needs its reference: name it in the card, or give reference=FOLDER")
    return folder_of(source.folder / loaded.card.reference)


def _check_format(loaded: Loaded) -> None:
    """Encode an item, so that a tokenizer that lacks the step tag or the labels is found now.

    Raises:
        BadInput: It does.
    """
    form = FORMATS[loaded.card.format] if loaded.card.format in FORMATS else format_of(loaded.card.format)
    against = ("3",) if loaded.card.format == "pair" else None
    try:
        made: Encoded = form.encode(loaded.tokenizer, Item("1+1", ("2",), against), loaded.card)
        if loaded.card.format in (*SAYING, "pair"):
            form.labels(loaded.tokenizer, loaded.card)
    except ItemRefused as error:
        raise BadInput(f"the format {loaded.card.format!r} does not suit the tokenizer: {error}") from error
    except BadInput as error:
        raise BadInput(f"the format {loaded.card.format!r} does not suit the model {loaded.name!r}: {error}") from error
    assert made.reads


def _context(config: Any, tokenizer: Any) -> int:
    """The most tokens an item may have."""
    text = config.get_text_config()
    # RoBERTa's first position is the one after the padding's.
    unused = int(config.pad_token_id or 0) + 1 if "roberta" in str(config.model_type) else 0
    said = [
        int(getattr(text, name, 0) or 0) - unused for name in ("max_position_embeddings", "n_positions", "max_seq_len")
    ]
    known = [length for length in (*said, int(tokenizer.model_max_length)) if 0 < length < 10**9]
    return min(known) if known else 4096


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise BadInput(f"there is no device {device!r}: it is auto, cpu, cuda or cuda:0") from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"this machine has no GPU for device {device!r}: use auto or cpu")
    return wanted


def _dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    found: Any = (
        (torch.bfloat16 if device.type == "cuda" else torch.float32) if dtype == "auto" else getattr(torch, dtype, None)
    )
    if dtype not in get_args(Dtype) or not isinstance(found, torch.dtype):
        raise BadInput(f"there is no number type {dtype!r} for a scorer: it is {', '.join(get_args(Dtype))}")
    return found
