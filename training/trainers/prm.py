"""A process reward model: two classes at each step's end, bad and good (Math-Shepherd, 2312.08935).

Reads `Labelled` samples. Cross-entropy at step tags with soft labels, or hard ones by a threshold; tokens that are no
tags are not learnt, nor are steps without a label. A token classifier, or, in the formats of models that say one of two
tokens of a step, a language model of which those two tokens are read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import TrainingArguments

from reflectree.models.neural.recognise import SAYING
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.formats import format_of
from reflectree.training.samples import Labelled, Sample
from reflectree.training.trainers import losses
from reflectree.training.trainers.base import adapted, merged, write
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import Batch, LossTrainer
from reflectree.training.trainers.scored import card_of, collated, encoded
from reflectree.training.trainers.settings import PrmSettings

CLASSES = ("bad", "good")


def plan(job: Job) -> Plan:
    """A token classifier and step labels to learn."""
    settings: PrmSettings = job.settings
    says = settings.format in SAYING
    card = card_of(job, "token-classifier", labels=None if says else CLASSES)
    train, valid = examples(job, card, job.data.train), examples(job, card, job.data.valid)
    classes = format_of(card.format).labels(job.base.tokenizer, card) if says else (0, 1)
    model = adapted(_fresh(job, says), settings.lora, head=None if says else "score", new_token=job.base.grown)
    trainer = LossTrainer(
        loss=partial(loss_of, classes=classes),
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


def _fresh(job: Job, says: bool) -> Any:
    if says:
        return job.base.load("policy")
    names = dict(enumerate(CLASSES))
    return job.base.load("tokens", id2label=names, label2id={v: k for k, v in names.items()}, classifier_dropout=0.0)


def examples(job: Job, card: Card, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Token ids, where step tags stand, and how good the steps are."""
    made = []
    for sample in samples:
        assert isinstance(sample, Labelled)
        item = encoded(job, card, sample.question, sample.steps)
        pairs = [(at, _label(y, job)) for at, y in zip(item.reads, sample.labels, strict=True) if not math.isnan(y)]
        reads, labels = [at for at, _ in pairs], [y for _, y in pairs]
        made.append({"ids": item.ids[: reads[-1] + 1], "reads": reads, "labels": labels, "weight": sample.weight})
    return job.fitting(made, lambda one: len(one["ids"]))


def _label(label: float, job: Job) -> float:
    least = job.settings.threshold
    return label if least is None else float(label >= least)


def loss_of(model: Any, batch: Batch, classes: tuple[int, int]) -> Tensor:
    """The mean loss over all step tags of a batch; `classes` are the outputs that mean bad and good."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    read = logits[batch["rows"], batch["reads"]][:, list(classes)].float()
    return losses.step_cross_entropy(read, batch["labels"], batch["weights"])
