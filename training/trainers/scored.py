"""What trainers of scorers share: items read as the scorer will read them, and a trunk with a value head.

Labels stand at `Encoded.reads` of the same format that inference uses, so both read the same hidden state. It knows no
loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reflectree.models.neural.heads import FILE, ValueHead, load_head
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.formats import format_of
from reflectree.models.scoring.items import Encoded, Item
from reflectree.training.trainers.base import adapted, merged, write
from reflectree.training.trainers.common import Job
from reflectree.training.trainers.looping import Batch, numbers, sequences


def card_of(job: Job, kind: Any, **more: Any) -> Card:
    """The card of the scorer to be. Only `plain` has a step tag of our choice."""
    return Card(kind=kind, format=job.settings.format, step_tag=job.settings.tag, **more)


def encoded(job: Job, card: Card, question: str, steps: Sequence[str]) -> Encoded:
    """A solution as the scorer reads it.

    Raises:
        BadInput: It has no place in the format.
    """
    return format_of(card.format).encode(job.base.tokenizer, Item(question, tuple(steps)), card)


class ValueNet(nn.Module):
    """A language model's trunk with a value head."""

    main_input_name = "input_ids"

    def __init__(self, trunk: Any, head: ValueHead) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head
        self.config = trunk.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor, rows: Tensor, reads: Tensor) -> Tensor:
        """Raw values at positions `reads` of the sequences `rows`."""
        states = self.trunk(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state
        raw: Tensor = self.head(states[rows, reads])
        return raw

    def activation_checkpointing_enable(self, *args: Any, **kwargs: Any) -> None:
        """Compute the trunk's activations again in the backward pass."""
        self.trunk.activation_checkpointing_enable(*args, **kwargs)

    def gradient_checkpointing_enable(self, *args: Any, **kwargs: Any) -> None:
        """The same, as transformers before 5.23 calls it."""
        self.trunk.gradient_checkpointing_enable(*args, **kwargs)


def value_net(job: Job, layers: Any) -> ValueNet:
    """The base's trunk with a new head; a base that is a value model already keeps its head."""
    trunk = job.base.load("trunk")
    hidden = trunk.config.get_text_config().hidden_size
    known = (job.base.folder / FILE).is_file()
    head = load_head(job.base.folder, hidden).train() if known else ValueHead(hidden, layers)
    return ValueNet(adapted(trunk, job.settings.lora, new_token=job.base.grown), head)


def write_value_net(job: Job, net: ValueNet, folder: Path) -> None:
    """Write trunk, head and tokenizer."""
    for name, weight in net.head.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise FloatingPointError(f"the weight {name} is no number any more")
    write(merged(net.trunk), job.base.tokenizer, folder)
    net.head.save(folder)


def collated(examples: Sequence[Mapping[str, Any]], pad: int) -> Batch:
    """Sequences with numbers at their reads: `rows`, `reads`, `labels` and `weights`, one a read."""
    counts = torch.tensor([len(example["reads"]) for example in examples])
    return {
        **sequences([example["ids"] for example in examples], pad),
        "rows": torch.arange(len(examples)).repeat_interleave(counts),
        "reads": torch.tensor([read for example in examples for read in example["reads"]]),
        "labels": torch.tensor([float(label) for example in examples for label in example["labels"]]),
        "weights": numbers(examples, "weight").repeat_interleave(counts),
    }
