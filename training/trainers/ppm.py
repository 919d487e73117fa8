"""A process preference model (rStar-Math, 2501.04519): a value head learnt from pairs of steps, not from their values.

Reads `Preferred` samples. -log s(s+ - s-) is averaged over all pairs of a question, so that a question with many pairs
counts as much as one with few. A solution that is in several pairs of a question is read once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainingArguments

from reflectree.models.scoring.card import Card
from reflectree.training.samples import Preferred, Sample
from reflectree.training.trainers import losses
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import Batch, LossTrainer, sequences
from reflectree.training.trainers.scored import ValueNet, card_of, encoded, value_net, write_value_net
from reflectree.training.trainers.settings import PpmSettings


def plan(job: Job) -> Plan:
    """A trunk and a head, and the pairs of each question to learn."""
    settings: PpmSettings = job.settings
    card = card_of(job, "value-head", scale=settings.scale)
    train, valid = examples(job, card, job.data.train), examples(job, card, job.data.valid)
    net = value_net(job, settings.head_layers)
    trainer = LossTrainer(
        loss=loss_of,
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
    """One a question: its different solutions, and which of two is better."""
    made: dict[str, dict[str, Any]] = {}
    places: dict[tuple[str, tuple[str, ...]], int] = {}
    for sample in samples:
        assert isinstance(sample, Preferred)
        question = made.setdefault(sample.question, {"ids": [], "reads": [], "pairs": []})
        ends = []
        for way in (sample.chosen, sample.rejected):
            steps = (*sample.steps, *way)
            if (sample.question, steps) not in places:
                item = encoded(job, card, sample.question, steps)
                places[sample.question, steps] = len(question["ids"])
                question["ids"].append(item.ids)
                question["reads"].append(item.reads[-1])
            ends.append(places[sample.question, steps])
        question["pairs"].append((*ends, sample.weight))
    return job.fitting(list(made.values()), lambda one: max(map(len, one["ids"])))


def collated(examples: Sequence[Mapping[str, Any]], pad: int) -> Batch:
    """All solutions of some questions; `better` and `worse` number them, `groups` numbers the questions."""
    ids = [row for one in examples for row in one["ids"]]
    firsts = [sum(len(one["ids"]) for one in examples[:number]) for number in range(len(examples))]
    pairs = [
        (first + better, first + worse, group, weight)
        for group, (one, first) in enumerate(zip(examples, firsts, strict=True))
        for better, worse, weight in one["pairs"]
    ]
    better, worse, groups = (torch.tensor([pair[part] for pair in pairs]) for part in range(3))
    return {
        **sequences(ids, pad),
        "rows": torch.arange(len(ids)),
        "reads": torch.tensor([read for one in examples for read in one["reads"]]),
        "better": better,
        "worse": worse,
        "groups": groups,
        "weights": torch.tensor([float(pair[3]) for pair in pairs]),
    }


def loss_of(model: ValueNet, batch: Batch) -> Tensor:
    """The mean loss over the questions of a batch."""
    raw = model(batch["input_ids"], batch["attention_mask"], batch["rows"], batch["reads"])
    return losses.ppm(raw[batch["better"]], raw[batch["worse"]], batch["groups"], batch["weights"])
