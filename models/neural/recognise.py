"""What a folder's model is: its card says it, the caller overrules it, or architecture, weights and name tell.

It loads nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from reflectree.models.neural.heads import FILE as HEAD_FILE
from reflectree.models.neural.weights import tensor_names
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.formats import format_of
from reflectree.models.scoring.items import Kind
from reflectree.rlm_ops.errors import BadInput

SAYING = ("math-shepherd", "rlhflow", "openr-qwen")
"""Formats of language models that say a token a step."""
CALLED = {"math-shepherd": "math-shepherd", "rlhflow": "rlhflow", "llama3.1-8b-prm": "rlhflow", "openr": "openr-qwen"}
"""What published language models of those formats are called."""


def card_of(folder: Path, config: Any, card: Card | None, kind: Kind | None, format: str | None, name: str) -> Card:
    """The model's card, overruled by what the caller says, or made up from what the folder holds."""
    if format is not None:
        format_of(format)
    if kind is not None and kind not in get_args(Kind):
        raise BadInput(f"there is no kind of scorer {kind!r}: it is one of {', '.join(get_args(Kind))}")
    if card is None:
        found, guessed = _guess(folder, config, kind, format, name)
        return Card(kind=found, format=guessed)
    if card.kind == "policy" and kind is None:
        raise BadInput(f"{name} is a policy, which writes steps: name a value model, or say kind='implicit-prm'")
    changes: dict[str, Any] = {"kind": kind or card.kind, "format": format or card.format}
    return card.model_copy(update=changes)


def _guess(folder: Path, config: Any, kind: Kind | None, format: str | None, name: str) -> tuple[Kind, str]:
    """Kind and format of a model without a card."""
    architecture = next(iter(config.architectures or ()), "")
    names = tensor_names(folder)
    called = next((found for part, found in CALLED.items() if part in name.lower()), None)
    if (folder / HEAD_FILE).is_file():
        guessed: tuple[Kind, str] | None = ("value-head", "plain")
    elif "v_head.summary.weight" in names:
        guessed = ("token-classifier", "skywork")
    elif architecture == "Qwen2ForProcessRewardModel" or "score.2.weight" in names:
        guessed = ("token-classifier", "qwen-prm")
    elif architecture.endswith("ForTokenClassification"):
        guessed = ("token-classifier", "plain")
    elif architecture.endswith("ForSequenceClassification"):
        guessed = ("preference" if kind == "preference" else "sequence-classifier", "whole")
    elif kind == "implicit-prm":
        guessed = ("implicit-prm", "plain")
    elif kind == "preference" or format == "pair":
        guessed = ("preference", "pair")
    else:
        guessed = ("token-classifier", called) if called else None
    if kind and format:
        return kind, format
    if guessed is None and format in SAYING:
        return kind or "token-classifier", format
    if guessed is None:
        raise BadInput(
            f"{name} is a {architecture or 'model'} without a card: say how it is read with a format, one of "
            f"{', '.join((*SAYING, 'pair'))}; or make a value model of it with reflectree train value"
        )
    return kind or guessed[0], format or guessed[1]
