"""Hugging Face's loop with a loss of ours, for what TRL has no trainer; and TRL's trainers kept quiet.

A loss is a function of a model and a batch of tensors. Sequences are padded on the right, so a causal model reads the
same at each position as it does at inference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer

Batch = dict[str, Tensor]
Loss = Callable[[Any, Batch], Tensor]


class HeadRate(Trainer):  # type: ignore[misc]
    """AdamW with a learning rate of its own for a new head.

    Attributes:
        head: A part of the names of the head's parameters.
        head_lr: Their learning rate; none is that of all.
    """

    head: str = "score"
    head_lr: float | None = None
    optimizer: Any

    def create_optimizer(self, model: nn.Module | None = None) -> Any:
        """Two groups of parameters where the head has a learning rate of its own."""
        if self.head_lr is None or self.optimizer is not None:
            return super().create_optimizer(model)
        net: Any = model or self.model
        named = [(name, part) for name, part in net.named_parameters() if part.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [part for name, part in named if self.head not in name]},
            {"params": [part for name, part in named if self.head in name], "lr": self.head_lr},
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=self.args.learning_rate,
            weight_decay=self.args.weight_decay,
        )
        return self.optimizer


class LossTrainer(HeadRate):
    """A trainer that minimises a function.

    Args:
        loss: The mean loss of a batch.
        head: A part of the names of parameters that have a learning rate of their own.
        head_lr: That rate.
        given: What Hugging Face's trainer takes.
    """

    loss_is_scaled_for_ga = False

    def __init__(self, *, loss: Loss, head: str = "score", head_lr: float | None = None, **given: Any) -> None:
        super().__init__(**given)
        # transformers before 5.19 takes no notice of `loss_is_scaled_for_ga`
        self.model_accepts_loss_kwargs = False
        self._loss, self.head, self.head_lr = loss, head, head_lr

    def compute_loss(
        self, model: nn.Module, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch; there are no outputs to return."""
        loss = self._loss(model, inputs)
        return (loss, {}) if return_outputs else loss

    def prediction_step(
        self, model: nn.Module, inputs: Batch, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor, None, None]:
        """The loss of a batch, when measuring."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return self._loss(model, inputs).detach(), None, None


class Quiet:
    """Mixed into TRL's trainers: they write no model card of their own and send nothing over the network."""

    def _send_telemetry(self) -> None: ...

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Ours is written at the end."""


def padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """Rows of numbers as one tensor, filled up on the right."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])


def sequences(rows: Sequence[Sequence[int]], pad: int) -> Batch:
    """Token ids with their attention mask."""
    ids = padded(rows, pad)
    lengths = torch.tensor([len(row) for row in rows]).unsqueeze(1)
    return {"input_ids": ids, "attention_mask": (torch.arange(ids.shape[1]).unsqueeze(0) < lengths).long()}


def numbers(examples: Sequence[Mapping[str, Any]], name: str) -> Tensor:
    """A number of each example."""
    return torch.tensor([float(example[name]) for example in examples])
