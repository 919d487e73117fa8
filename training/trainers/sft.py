"""Supervised fine-tuning of a policy with TRL: solutions as steps, each ended by the step token; only they are learnt.

Reads `Solution` samples, and `Operated` ones (a run told operator by operator), of which the assistant's turns are
learnt. What is given (the question, steps before `Solution.given`, what others said) is read and not learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from reflectree.models.scoring.template import special_id
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.training.samples import Operated, Sample, Solution
from reflectree.training.trainers.common import Job, Plan, arguments
from reflectree.training.trainers.looping import Batch, Quiet, numbers, padded, sequences
from reflectree.training.trainers.losses import IGNORED
from reflectree.training.trainers.policies import policy_card, policy_of, template_of, write_policy


def plan(job: Job) -> Plan:
    """A policy and solutions to learn."""
    train, valid = examples(job, job.data.train), examples(job, job.data.valid)
    model = policy_of(job)
    trl = require("trl", "training", "supervised fine-tuning")
    data = require("datasets", "training", "supervised fine-tuning").Dataset

    class Weighted(Quiet, trl.SFTTrainer):  # type: ignore[name-defined,misc]
        """TRL's trainer; samples may have weights."""

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            weights = inputs.pop("weights")
            if bool((weights == 1).all()) or return_outputs:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            read = model(**inputs, use_cache=False, fused_lm_head=True)
            count = read.label_mask.sum() if num_items_in_batch is None else num_items_in_batch
            return -(read.log_probs * weights.unsqueeze(1)).sum() / torch.as_tensor(count).clamp(min=1)

    build: Any = Weighted
    trainer = build(
        model=model,
        args=arguments(trl.SFTConfig, job, max_length=None, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=data.from_list(train),
        eval_dataset=data.from_list(valid) if valid else None,
        processing_class=job.base.tokenizer,
        data_collator=partial(collated, pad=job.base.tokenizer.pad_token_id),
    )

    def write(folder: Path) -> None:
        write_policy(job, model, folder)

    return Plan(trainer, policy_card(job), write, len(train))


def examples(job: Job, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Token ids with labels."""
    made = []
    for sample in samples:
        match sample:
            case Solution() if job.settings.template == "chat":
                ids, learnt = _chat(job.base.tokenizer, _told(sample))
            case Solution():
                if sample.given >= len(sample.steps):
                    raise BadInput(
                        f"a solution has {len(sample.steps)} steps of which {sample.given} are given: none is learnt"
                    )
                ids, learnt = template_of(job).solution(job.base.tokenizer, sample.question, sample.steps, sample.given)
            case Operated() if job.settings.template == "chat":
                ids, learnt = _chat(job.base.tokenizer, sample.messages)
            case Operated():
                ids, learnt = _turns(job, sample)
            case _:
                raise BadInput(f"supervised fine-tuning does not read samples of kind {sample.kind!r}")
        labels = [i if counts else IGNORED for i, counts in zip(ids, learnt, strict=True)]
        made.append({"input_ids": ids, "labels": labels, "weight": sample.weight})
    return job.fitting(made, lambda one: len(one["input_ids"]))


def _turns(job: Job, sample: Operated) -> tuple[list[int], list[int]]:
    """Each turn a step; the first is the question where it is the user's."""
    tokenizer, template = job.base.tokenizer, template_of(job)
    turns = sample.messages
    question = sample.question
    if turns and turns[0][0] == "user":
        question, turns = turns[0][1], turns[1:]
    ids = template.prompt(tokenizer, question)
    learnt = [0] * len(ids)
    for role, content in turns:
        more = template.step(tokenizer, content)
        ids += more
        learnt += [int(role == "assistant")] * len(more)
    return [*ids, special_id(tokenizer, "")], [*learnt, 1]


def _told(sample: Solution) -> tuple[tuple[str, str], ...]:
    """A solution as a question and an answer.

    Raises:
        BadInput: A part of it is given: a turn is learnt whole.
    """
    if sample.given:
        raise BadInput("template='chat' learns solutions whole, and one has steps that are given: use template='steps'")
    return ("user", sample.question), ("assistant", "\n".join(step.strip() for step in sample.steps))


def _chat(tokenizer: Any, messages: Sequence[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """The tokenizer's chat template; the assistant's turns are learnt with what ends them.

    Raises:
        BadInput: There is no template, it writes a turn otherwise once another follows, or a text has a special token.
    """
    if not tokenizer.chat_template:
        raise BadInput("template='chat' and the tokenizer has no chat template: use template='steps'")
    turns = [{"role": role, "content": content} for role, content in messages]
    if token := next((t for t in tokenizer.all_special_tokens for turn in turns if t in turn["content"]), None):
        raise BadInput(f"a conversation contains the special token {token!r}: remove it from the text")
    ids: list[int] = []
    learnt: list[int] = []
    for number, turn in enumerate(turns, 1):
        if turn["role"] == "assistant":
            ids, learnt = _extended(ids, learnt, _rendered(tokenizer, turns[: number - 1], True), 0)
            ids, learnt = _extended(ids, learnt, _rendered(tokenizer, turns[:number], False), 1)
    return ids, learnt


def _rendered(tokenizer: Any, turns: Sequence[Mapping[str, str]], reply: bool) -> list[int]:
    text = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=reply)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _extended(ids: list[int], learnt: list[int], longer: list[int], mark: int) -> tuple[list[int], list[int]]:
    if longer[: len(ids)] != ids:
        raise BadInput("the chat template writes a turn otherwise once another follows: use template='steps'")
    return longer, learnt + [mark] * (len(longer) - len(ids))


def collated(examples: Sequence[Mapping[str, Any]], pad: int) -> Batch:
    """A batch as TRL's trainer reads it, with the samples' weights."""
    return {
        **sequences([example["input_ids"] for example in examples], pad),
        "labels": padded([example["labels"] for example in examples], IGNORED),
        "weights": numbers(examples, "weight"),
    }
