"""Value regression: a head on a language model learns the backed-up values of prefixes (blueprint 2501.11223, app. C).

Reads `Valued` samples (one value at the end of a prefix) and `Labelled` ones (a value after each step). Mean squared
error, or cross-entropy with the value as a soft label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import TrainingArguments

from reflectree.models.scoring.card import Card
from reflectree.training.samples import Labelled, Sample, Solution, Valued
from reflectree.training.trainers import losses
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import Batch, LossTrainer
from reflectree.training.trainers.scored import ValueNet, card_of, collated, encoded, value_net, write_value_net
from reflectree.training.trainers.settings import OrmSettings, ValueSettings


def plan(job: Job) -> Plan:
    """A trunk and a head, and values to learn."""
    settings: ValueSettings | OrmSettings = job.settings
    card = card_of(job, "value-head", scale=settings.scale)
    train, valid = examples(job, card, job.data.train), examples(job, card, job.data.valid)
    net = value_net(job, settings.head_layers)
    trainer = LossTrainer(
        loss=partial(loss_of, kind=settings.loss, scale=settings.scale),
        head="head.",
        head_lr=settings.head_lr,
        model=net,
        args=arguments(TrainingArguments, job),
        train_dataset=train,
        eval_dataset=valid or None,
        data_collator=partial(collated, pad=job.base.tokenizer.pad_token_id),
    )

    def write(folder: Path) -> None:
        write_value_net(job, net, folder)

    return Plan(trainer, card, write, len(train))


def examples(job: Job, card: Card, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Token ids, where values are read, and what they should be."""
    made = []
    for sample in samples:
        steps = () if not isinstance(sample, Valued | Labelled | Solution) else sample.steps
        item = encoded(job, card, sample.question, steps)
        if isinstance(sample, Labelled):
            pairs = [(at, y) for at, y in zip(item.reads, sample.labels, strict=True) if not math.isnan(y)]
        else:
            pairs = [(item.reads[-1], sample.value if isinstance(sample, Valued) else sample.reward)]  # type: ignore[union-attr]
        # What follows the last read changes nothing that is read.
        ids = item.ids[: pairs[-1][0] + 1]
        made.append(
            {"ids": ids, "reads": [at for at, _ in pairs], "labels": [y for _, y in pairs], "weight": sample.weight}
        )
    return job.fitting(made, lambda one: len(one["ids"]))


def loss_of(model: ValueNet, batch: Batch, kind: str, scale: Any) -> Tensor:
    """The mean loss over all values of a batch."""
    raw = model(batch["input_ids"], batch["attention_mask"], batch["rows"], batch["reads"])
    loss = losses.value_mse if kind == "mse" else losses.value_bce
    return loss(raw, batch["labels"], batch["weights"], scale)
