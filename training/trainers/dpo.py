"""Direct preference optimisation of a policy with TRL: whole solutions (DPO), steps (Step-DPO), with likelihood (RPO).

Reads `Preferred` samples: a shared prefix, which is read and not learnt, and two ways to go on. TRL's loss `sigmoid`,
and `sft` beside it for RPO; tokens are put together here, so that steps are read as at inference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reflectree.rlm_ops.extras import require
from reflectree.training.trainers.base import adapters, quiet
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import Quiet
from reflectree.training.trainers.policies import (
    alike,
    pair_examples,
    policy_card,
    reference_of,
    write_policy,
)
from reflectree.training.trainers.settings import DpoSettings

COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")


def plan(job: Job) -> Plan:
    """A policy, its reference and pairs to learn."""
    settings: DpoSettings = job.settings
    alike(job.name, (*job.data.train, *job.data.valid))
    train, valid = pair_examples(job, job.data.train), pair_examples(job, job.data.valid)
    model = job.base.load("policy")
    trl = require("trl", "training", "preference optimisation")
    data = require("datasets", "training", "preference optimisation").Dataset

    class Tokenised(Quiet, trl.DPOTrainer):  # type: ignore[name-defined,misc]
        """TRL's trainer on samples that are token ids already."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    losses = {"sigmoid": 1.0} | ({"sft": settings.likelihood} if settings.likelihood else {})
    build: Any = Tokenised
    with quiet():
        trainer = build(
            model=model,
            ref_model=reference_of(job),
            args=arguments(
                trl.DPOConfig,
                job,
                beta=settings.beta,
                loss_type=list(losses),
                loss_weights=list(losses.values()),
                max_length=None,
            ),
            train_dataset=data.from_list([{name: one[name] for name in COLUMNS} for one in train]),
            eval_dataset=data.from_list([{name: one[name] for name in COLUMNS} for one in valid]) if valid else None,
            processing_class=job.base.tokenizer,
            # Given a model with adapters, TRL would keep a copy of them as its reference; given these, it switches
            # them off.
            peft_config=adapters(model, settings.lora, new_token=job.base.grown),
        )

    def write(folder: Path) -> None:
        write_policy(job, trainer.model, folder)

    return Plan(trainer, policy_card(job), write, len(train))
