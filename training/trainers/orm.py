"""An outcome reward model: is the whole solution right (Cobbe et al. 2021, 2110.14168)?

Reads `Solution` samples with their rewards. A sequence classifier with one output read at the last token, or a value
head read at the same place (`reflectree.training.trainers.value`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import TrainingArguments

from reflectree.training.trainers import losses, value
from reflectree.training.trainers.base import adapted, merged, write
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import Batch, LossTrainer
from reflectree.training.trainers.scored import card_of, collated
from reflectree.training.trainers.settings import OrmSettings


def plan(job: Job) -> Plan:
    """A classifier and outcomes to learn."""
    settings: OrmSettings = job.settings
    if settings.head == "value":
        return value.plan(job)
    card = card_of(job, "sequence-classifier")
    train, valid = value.examples(job, card, job.data.train), value.examples(job, card, job.data.valid)
    model = adapted(job.base.load("sequence", num_labels=1), settings.lora, head="score", new_token=job.base.grown)
    trainer = LossTrainer(
        loss=partial(loss_of, kind=settings.loss, scale=settings.scale),
        head="score",
        head_lr=settings.head_lr,
        model=model,
        args=arguments(TrainingArguments, job),
        train_dataset=train,
        eval_dataset=valid or None,
        data_collator=partial(collated, pad=job.base.tokenizer.pad_token_id),
    )

    def save(folder: Path) -> None:
        write(merged(model), job.base.tokenizer, folder)

    return Plan(trainer, card, save, len(train))


def loss_of(model: Any, batch: Batch, kind: str, scale: Any) -> Tensor:
    """The mean loss over the solutions of a batch."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    loss = losses.value_mse if kind == "mse" else losses.value_bce
    return loss(logits.squeeze(-1).float(), batch["labels"], batch["weights"], scale)
