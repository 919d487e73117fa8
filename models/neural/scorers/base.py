"""What all scorers share: encoding and its refusals, results remembered, numbers checked, steps reduced to one value.

It knows no kind of model: a kind says what its numbers are.
"""

from __future__ import annotations

import hashlib
import math
import threading
from abc import ABC, abstractmethod
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from reflectree.models.scoring.card import Card
from reflectree.models.scoring.formats import format_of
from reflectree.models.scoring.items import Encoded, Item, ItemRefused, Kind, Scored, ScorerInfo
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import aggregate_steps

REMEMBERED = 8192
"""Results of exact repeats that are remembered."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a scorer is made of besides its model.

    Attributes:
        name: The model's name.
        card: How it is read.
        tokenizer: A fast tokenizer.
        context_tokens: The most tokens it reads.
        prefix_tokens: The most tokens whose keys and values are kept; 0 computes everything anew, repeats included.
    """

    name: str
    card: Card
    tokenizer: Any
    context_tokens: int
    prefix_tokens: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Scores of an item in order of its reads, and how many tokens were computed for them."""

    scores: tuple[float, ...]
    computed: int


class TorchScorer(ABC):
    """A scorer over a loaded model.

    Args:
        loaded: What it is made of.
        models: Its models and heads: their parameters are counted, the first one's device and type are told.
        causal: A step's score does not depend on later steps.
    """

    kind: Kind
    per_step = True

    def __init__(self, loaded: Loaded, models: Sequence[Any], causal: bool) -> None:
        first = next(models[0].parameters())
        self.loaded, self.card, self.tokenizer = loaded, loaded.card, loaded.tokenizer
        self.format = format_of(loaded.card.format)
        self._known: OrderedDict[bytes, tuple[float, ...]] = OrderedDict()
        self._info = ScorerInfo(
            name=loaded.name,
            kind=self.kind,
            per_step=self.per_step,
            causal=causal,
            context_tokens=loaded.context_tokens,
            device=str(first.device),
            dtype=str(first.dtype).removeprefix("torch."),
            parameters=sum(parameter.numel() for model in models for parameter in model.parameters()),
        )
        self._closed = False
        # Whether names of special tokens are read as such is a switch of the tokenizer, not of the call.
        self._tokenizing = threading.Lock()

    @property
    def info(self) -> ScorerInfo:
        """What is told of it."""
        return self._info

    def encode(self, item: Item) -> Encoded:
        """The item as token ids.

        Raises:
            ItemRefused: It cannot be scored as it is.
        """
        with self._tokenizing:
            encoded = self.format.encode(self.tokenizer, item, self.card)
        longest = max(len(part.ids) for part in parts(encoded))
        if longest > self.loaded.context_tokens:
            raise ItemRefused(
                "context_overflow",
                f"the item has {longest} tokens and the model reads {self.loaded.context_tokens}: "
                "shorten the question or the steps, or use a model with a longer context",
            )
        wanted = max(1, len(item.steps))
        if self.per_step and len(encoded.reads) != wanted:
            raise ItemRefused(
                "reads_mismatch",
                f"the item has {len(item.steps)} steps and the format {self.card.format!r} reads {len(encoded.reads)} "
                "scores: name the format the model was trained with",
            )
        return encoded

    def score(self, batch: Sequence[Encoded]) -> list[Scored]:
        """One result an item, in order.

        Raises:
            FloatingPointError: The model gave a score that is no number.
            BadInput: The scorer was closed.
        """
        if self._closed:
            raise BadInput(f"the model {self.info.name!r} was closed: load it again")
        keys = [_digest(encoded) for encoded in batch]
        scores = {key: self._known[key] for key in keys if key in self._known}
        new = {key: encoded for key, encoded in zip(keys, batch, strict=True) if key not in scores}
        computed: dict[bytes, int] = {}
        if new:
            with torch.inference_mode():
                made = self.numbers(list(new.values()))
            for key, numbers in zip(new, made, strict=True):
                scores[key], computed[key] = self._checked(numbers.scores), numbers.computed
        self._remember(scores)
        # Of repeats within the batch the first is the one that was computed.
        return [
            self._scored(encoded, scores[key], computed.pop(key, 0)) for key, encoded in zip(keys, batch, strict=True)
        ]

    def close(self) -> None:
        """Release the model; its memory is free once nobody else holds it."""
        self._closed = True
        self._known.clear()
        self.release()
        if self._info.device.startswith("cuda"):
            torch.cuda.empty_cache()

    @abstractmethod
    def numbers(self, batch: Sequence[Encoded]) -> list[Numbers]:
        """The scores of items, in order: one a read, or one for the whole."""

    @abstractmethod
    def release(self) -> None:
        """Drop what holds the model."""

    def _checked(self, scores: tuple[float, ...]) -> tuple[float, ...]:
        if not all(math.isfinite(score) for score in scores):
            raise FloatingPointError(
                f"the model {self.info.name!r} gave a score that is no number: "
                "load it with dtype='float32', or train it again"
            )
        return scores

    def _remember(self, scores: dict[bytes, tuple[float, ...]]) -> None:
        if self.loaded.prefix_tokens:
            for key, found in scores.items():
                self._known[key] = found
                self._known.move_to_end(key)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def _scored(self, encoded: Encoded, scores: tuple[float, ...], computed: int) -> Scored:
        value = aggregate_steps(scores, self.card.reduce)
        steps = scores if encoded.item.steps or not self.per_step else ()
        return Scored(steps, value, encoded.tokens, max(0, encoded.tokens - computed))


def parts(encoded: Encoded) -> list[Encoded]:
    """The texts of an item: two where it has an opponent, one after the other in `ids`, else one."""
    if encoded.item.against is None:
        return [encoded]
    middle = encoded.cuts[0]
    texts = (encoded.ids[:middle], encoded.ids[middle:])
    return [Encoded(ids, (len(ids) - 1,), (len(ids),), encoded.item) for ids in texts]


def logistic(value: float) -> float:
    """1 / (1 + exp(-value)); of what is no number, or no finite one, NaN."""
    if not math.isfinite(value):
        return math.nan
    small = math.exp(-abs(value))
    return (1.0 if value >= 0 else small) / (1.0 + small)


def _digest(encoded: Encoded) -> bytes:
    """What tells items apart: their tokens, where they are read, and whether there are one or two texts."""
    marks = (*encoded.ids, -1, *encoded.reads, -1, *(encoded.cuts[:1] if encoded.item.against is not None else ()))
    return hashlib.blake2b(array("q", marks).tobytes(), digest_size=16).digest()
