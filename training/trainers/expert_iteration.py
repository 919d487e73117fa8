"""Rejection-sampling fine-tuning, also expert iteration or ReST: SFT on the model's own good solutions.

Not reinforced fine-tuning (ReFT: PPO after SFT), nor reinforcement fine-tuning with graders. A round keeps the
solutions whose reward reaches a threshold, once each and a few a question, and learns them (2308.01825; ReST,
2308.08998).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import Sample, Solution
from reflectree.training.trainers import sft
from reflectree.training.trainers.common import Job, Plan
from reflectree.training.trainers.settings import ExpertIterationSettings


def plan(job: Job) -> Plan:
    """A policy and the good ones of its solutions to learn.

    Raises:
        BadInput: None is good enough.
    """
    settings: ExpertIterationSettings = job.settings
    train, dropped = chosen(job.data.train, settings.threshold, settings.per_question)
    if not train:
        best = max(sample.reward for sample in job.data.train if isinstance(sample, Solution))
        raise BadInput(
            f"no solution has a reward of {settings.threshold:g} or more (the best has {best:g}): sample more, or "
            "lower threshold"
        )
    valid, _ = chosen(job.data.valid, settings.threshold, settings.per_question)
    job.dropped.update(dropped)
    job.data = replace(job.data, train=tuple(train), valid=tuple(valid))
    return sft.plan(job)


def chosen(samples: Sequence[Sample], threshold: float, per_question: int) -> tuple[list[Solution], Counter[str]]:
    """The solutions to learn, in order, and how many were left out and why.

    Args:
        samples: Solutions with their rewards.
        threshold: The least reward.
        per_question: The most of one question; 0 keeps all.
    """
    kept: list[Solution] = []
    dropped: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    counts: Counter[str] = Counter()
    for sample in samples:
        if not isinstance(sample, Solution):
            continue
        text = " ".join(" ".join(sample.steps).split()).casefold()
        if sample.reward < threshold:
            dropped["reward"] += 1
        elif (sample.question, text) in seen:
            dropped["duplicate"] += 1
        elif per_question and counts[sample.question] >= per_question:
            dropped["per_question"] += 1
        else:
            seen.add((sample.question, text))
            counts[sample.question] += 1
            kept.append(sample)
    return kept, dropped
