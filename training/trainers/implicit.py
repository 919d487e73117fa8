"""An implicit process reward model: a policy whose log-ratio to its reference is a reward (PRIME, 2502.01456).

Reads `Solution` samples with their rewards: no step label is needed. The loss is the cross-entropy of s(beta sum of
log-ratios) and the outcome; a token's reward is then beta times its log-ratio. The reference is the base, frozen; it is
written beside the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import TrainingArguments

from reflectree.models.scoring.card import Card
from reflectree.training.samples import Sample, Solution
from reflectree.training.trainers import losses
from reflectree.training.trainers.base import write
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import Batch, LossTrainer, numbers
from reflectree.training.trainers.policies import labelled, log_ratios, policy_of, reference_of, write_policy
from reflectree.training.trainers.scored import card_of, encoded
from reflectree.training.trainers.settings import ImplicitSettings

REFERENCE = "reference"


def plan(job: Job) -> Plan:
    """A model, its reference and outcomes to learn."""
    settings: ImplicitSettings = job.settings
    card = card_of(job, "implicit-prm", beta=settings.beta, reference=REFERENCE)
    train, valid = examples(job, card, job.data.train), examples(job, card, job.data.valid)
    model, reference = policy_of(job), reference_of(job)
    trainer = LossTrainer(
        loss=partial(loss_of, reference=reference, beta=settings.beta),
        model=model,
        args=arguments(TrainingArguments, job),
        train_dataset=train,
        eval_dataset=valid or None,
        data_collator=partial(collated, pad=job.base.tokenizer.pad_token_id),
    )
    if reference is not None:  # on the same device and in the same precision as the model
        trainer.accelerator.prepare_model(reference, evaluation_mode=True)

    def save(folder: Path) -> None:
        write_policy(job, model, folder)
        write(job.base.load("policy"), job.base.tokenizer, folder / REFERENCE)

    return Plan(trainer, card, save, len(train))


def examples(job: Job, card: Card, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Token ids, where the solution begins, and what came of it."""
    made = []
    for sample in samples:
        assert isinstance(sample, Solution)
        item = encoded(job, card, sample.question, sample.steps)
        made.append({"ids": item.ids, "given": item.cuts[0], "label": sample.reward, "weight": sample.weight})
    return job.fitting(made, lambda one: len(one["ids"]))


def collated(examples: Sequence[Mapping[str, Any]], pad: int) -> Batch:
    """Sequences with outcomes."""
    rows = [(one["ids"], one["given"]) for one in examples]
    return {**labelled(rows, pad), "outcomes": numbers(examples, "label"), "weights": numbers(examples, "weight")}


def loss_of(model: Any, batch: Batch, reference: Any | None, beta: float) -> Tensor:
    """The mean loss over the solutions of a batch."""
    return losses.implicit_ce(log_ratios(model, reference, batch), batch["outcomes"], beta, batch["weights"])
