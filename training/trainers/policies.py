"""What trainers of policies share: a causal language model, a frozen reference, and log-ratios of the two.

Solutions are read as `StepTemplate` reads them, which is how the policy is asked later. It knows no loss.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reflectree.models.scoring.card import Card
from reflectree.models.scoring.template import StepTemplate, special_id
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import Preferred, Sample
from reflectree.training.trainers.base import adapted, merged, write
from reflectree.training.trainers.common import Job
from reflectree.training.trainers.looping import Batch, padded, sequences
from reflectree.training.trainers.losses import IGNORED, token_logprobs

STEPS = "steps"
"""The name of `StepTemplate` in a policy's card; `chat` is the tokenizer's chat template."""


def policy_card(job: Job) -> Card:
    """The card of the policy to be."""
    return Card(kind="policy", format="chat" if job.settings.tag is None else STEPS, step_tag=job.settings.tag)


def template_of(job: Job) -> StepTemplate:
    """How the policy reads and writes steps."""
    return StepTemplate(job.settings.step_tag)


def policy_of(job: Job) -> Any:
    """The language model to train, with adapters where they are wanted."""
    return adapted(job.base.load("policy"), job.settings.lora, new_token=job.base.grown)


def reference_of(job: Job) -> Any | None:
    """A frozen copy of the base; none with adapters, which are switched off instead."""
    if job.settings.lora is not None:
        return None
    return job.base.load("policy").eval().requires_grad_(False)


def write_policy(job: Job, model: Any, folder: Path) -> None:
    """Write weights and tokenizer, adapters merged."""
    write(merged(model), job.base.tokenizer, folder)


def pair_examples(job: Job, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Token ids of a shared beginning and of both ways to go on, with `ends` each ended by the end-of-text token.

    Raises:
        BadInput: A pair has a weight: pairs count alike here.
    """
    tokenizer, template = job.base.tokenizer, template_of(job)
    end = [special_id(tokenizer, "")] if job.settings.ends else []
    made = []
    for sample in samples:
        assert isinstance(sample, Preferred)
        ways = [[i for text in way for i in template.step(tokenizer, text)] for way in (sample.chosen, sample.rejected)]
        one = {
            "prompt_ids": template.prompt(tokenizer, sample.question, sample.steps),
            "chosen_ids": ways[0] + end,
            "rejected_ids": ways[1] + end,
            "values": sample.values,
            "weight": sample.weight,
        }
        made.append(one)
    return job.fitting(made, _longest)


def _longest(one: Mapping[str, Any]) -> int:
    return len(one["prompt_ids"]) + max(len(one["chosen_ids"]), len(one["rejected_ids"]))


def alike(name: str, samples: Sequence[Sample]) -> None:
    """Refuse weights where TRL's loss has none.

    Raises:
        BadInput: A sample's weight is not 1.
    """
    if other := next((sample.weight for sample in samples if sample.weight != 1), None):
        raise BadInput(
            f"trainer {name!r} counts all samples alike, and one has the weight {other:g}: give all weight 1"
        )


def labelled(rows: Sequence[tuple[Sequence[int], int]], pad: int) -> Batch:
    """Sequences with labels; the first so many tokens of each are given and not learnt."""
    labels = [[*[IGNORED] * given, *ids[given:]] for ids, given in rows]
    return {**sequences([ids for ids, _ in rows], pad), "labels": padded(labels, IGNORED)}


def log_ratios(model: Any, reference: Any | None, batch: Batch) -> Tensor:
    """The log-ratio, log pi - log pi_ref, of every learnt token, and 0 elsewhere: shape (batch, tokens - 1).

    Args:
        model: The policy; its adapters are switched off for the reference where there is none.
        reference: The frozen reference.
        batch: `input_ids`, `attention_mask` and `labels`.
    """

    def logs(net: Any) -> Tensor:
        read = net(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
        return token_logprobs(read.logits, batch["labels"])

    with torch.no_grad(), contextlib.nullcontext() if reference is not None else model.disable_adapter():
        before = logs(model if reference is None else reference)
    return logs(model) - before
