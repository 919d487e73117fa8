"""A score learnt from which of two is better, with TRL: a sequence classifier with one output (Bradley-Terry).

Reads `Preferred` samples; each way is read with the shared prefix before it. The score orders solutions; its distance
between two of them is the logit of the one being better. In the format `whole` the scorer compares two solutions too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflectree.models.scoring.card import Card
from reflectree.rlm_ops.extras import require
from reflectree.training.samples import Preferred, Sample
from reflectree.training.trainers.base import adapted, merged, write
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import HeadRate, Quiet
from reflectree.training.trainers.policies import alike
from reflectree.training.trainers.scored import card_of, encoded
from reflectree.training.trainers.settings import PairwiseSettings


def plan(job: Job) -> Plan:
    """A classifier and pairs to learn."""
    settings: PairwiseSettings = job.settings
    alike(job.name, (*job.data.train, *job.data.valid))
    card = card_of(job, "preference" if settings.format == "whole" else "sequence-classifier")
    train, valid = examples(job, card, job.data.train), examples(job, card, job.data.valid)
    model = adapted(job.base.load("sequence", num_labels=1), settings.lora, head="score", new_token=job.base.grown)
    trl = require("trl", "training", "training on pairs")
    data = require("datasets", "training", "training on pairs").Dataset

    class Reward(Quiet, HeadRate, trl.RewardTrainer):  # type: ignore[name-defined,misc]
        """TRL's trainer with a learning rate for the head."""

        head_lr = settings.head_lr

    build: Any = Reward
    trainer = build(
        model=model,
        args=arguments(trl.RewardConfig, job, max_length=None, center_rewards_coefficient=settings.centre),
        train_dataset=data.from_list(train),
        eval_dataset=data.from_list(valid) if valid else None,
        processing_class=job.base.tokenizer,
    )

    def save(folder: Path) -> None:
        write(merged(model), job.base.tokenizer, folder)

    return Plan(trainer, card, save, len(train))


def examples(job: Job, card: Card, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Token ids of both ways, each from the question on."""
    made = []
    for sample in samples:
        assert isinstance(sample, Preferred)
        ways = [encoded(job, card, sample.question, (*sample.steps, *way)) for way in (sample.chosen, sample.rejected)]
        better, worse = ([*way.ids[: way.reads[-1] + 1]] for way in ways)
        made.append({"chosen_ids": better, "rejected_ids": worse})
    return job.fitting(made, lambda one: max(len(one["chosen_ids"]), len(one["rejected_ids"])))
