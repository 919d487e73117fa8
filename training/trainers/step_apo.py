"""Step-level advantage preference optimisation: DPO on steps whose margin is the difference of their values (CPL).

Reads `Preferred` samples with values. TRL's trainer has no margin a pair; the loss is `losses.step_apo`
(CPL, arXiv 2409.08642).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainingArguments

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import Preferred, Sample
from reflectree.training.trainers import losses
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import Batch, LossTrainer, numbers
from reflectree.training.trainers.policies import (
    labelled,
    log_ratios,
    pair_examples,
    policy_card,
    policy_of,
    reference_of,
    write_policy,
)
from reflectree.training.trainers.settings import StepApoSettings


def plan(job: Job) -> Plan:
    """A policy, its reference and valued pairs to learn."""
    settings: StepApoSettings = job.settings
    for sample in (*job.data.train, *job.data.valid):
        _with_values(sample)
    train, valid = pair_examples(job, job.data.train), pair_examples(job, job.data.valid)
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

    def write(folder: Path) -> None:
        write_policy(job, model, folder)

    return Plan(trainer, policy_card(job), write, len(train))


def _with_values(sample: Sample) -> None:
    if not isinstance(sample, Preferred) or sample.values is None:
        raise BadInput(
            "step-apo needs the values of both ways of a pair, and one pair has none: use step-dpo, or add them"
        )


def collated(examples: Sequence[Mapping[str, Any]], pad: int) -> Batch:
    """Both ways of each pair, the better ones first."""
    rows = [
        (one["prompt_ids"] + one[way], len(one["prompt_ids"]))
        for way in ("chosen_ids", "rejected_ids")
        for one in examples
    ]
    values = torch.tensor([[float(value) for value in one["values"]] for one in examples])
    return {**labelled(rows, pad), "values": values, "weights": numbers(examples, "weight")}


def loss_of(model: Any, batch: Batch, reference: Any | None, beta: float) -> Tensor:
    """The mean loss over the pairs of a batch."""
    better, worse = log_ratios(model, reference, batch).sum(-1).chunk(2)
    return losses.step_apo(better, worse, batch["values"], beta, batch["weights"])
