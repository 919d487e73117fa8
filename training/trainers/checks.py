"""Which samples a trainer reads, checked before anything large is loaded.

What cannot be learnt from is refused with the sample's origin, never repaired in silence. Nothing here knows torch.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import Labelled, Operated, Preferred, Sample, check, digest
from reflectree.training.splits import Splits, TestTaskRefused


@dataclass(frozen=True, slots=True)
class Data:
    """What is learnt from and what is measured on.

    Attributes:
        train: Samples to learn from.
        valid: Samples to measure on.
        digest: A digest of both, in order, weights included.
    """

    train: tuple[Sample, ...]
    valid: tuple[Sample, ...]
    digest: str


def gather(
    name: str, kinds: Sequence[str], samples: Sequence[Sample], valid: Sequence[Sample], share: float, tag: str | None
) -> Data:
    """The samples of the kinds a trainer reads, in their two parts.

    Samples whose origin says `valid` are measured on and never learnt from. Where there are none and none are given,
    `share` of the questions is held out by a hash, so a question is never on both sides.

    Raises:
        BadInput: There are none of the kinds, or one cannot be learnt from.
        TestTaskRefused: One is of a test task.
    """
    fit = [usable(sample, tag) for sample in samples if sample.kind in kinds and sample.weight > 0]
    held = [usable(sample, tag) for sample in valid if sample.kind in kinds and sample.weight > 0]
    train = [sample for sample in fit if sample.origin.split == "train"]
    held += [sample for sample in fit if sample.origin.split == "valid"]
    if not held and share:
        asked = held_out([sample.question for sample in train], share)
        held = [sample for sample in train if sample.question in asked]
        train = [sample for sample in train if sample.question not in asked]
    if not train:
        found = Counter(sample.kind for sample in samples)
        given = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items())) or "no samples"
        raise BadInput(
            f"trainer {name!r} learns from samples of kind {' or '.join(kinds)} of training tasks, and was given "
            f"{given}: label the traces for it first"
        )
    return Data(tuple(train), tuple(held), data_digest([*train, None, *held]))


def held_out(questions: Sequence[str], share: float) -> set[str]:
    """The questions that a hash puts into the validation part; at least one where there are several."""
    parts = Splits(valid=share, test=0.0)
    distinct = sorted(set(questions))
    found = {question for question in distinct if parts.of(question) == "valid"}
    if found and len(found) < len(distinct):
        return found
    return {min(distinct, key=lambda question: hashlib.sha256(question.encode()).digest())} if distinct[1:] else set()


def data_digest(samples: Sequence[Sample | None]) -> str:
    """A digest of samples in order; nothing stands for the border between two parts."""
    found = hashlib.sha256()
    for sample in samples:
        found.update(b"|" if sample is None else f"{digest(sample)}:{sample.weight!r};".encode())
    return found.hexdigest()[:16]


def usable(sample: Sample, tag: str | None) -> Sample:
    """The sample, if it can be learnt from.

    Raises:
        BadInput: Its numbers are wrong, a step is empty or contains the step tag, or it has nothing to learn.
        TestTaskRefused: It is of a test task.
    """
    check(sample)
    if sample.origin.split == "test":
        raise TestTaskRefused(f"a sample of kind {sample.kind!r} is of a test task{_where(sample)}: leave it out")
    texts = texts_of(sample)
    if not isinstance(sample, Preferred | Operated) and not sample.steps and sample.kind != "valued":
        raise BadInput(f"a sample of kind {sample.kind!r} has no steps{_where(sample)}: leave it out")
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise BadInput(f"step {number} of a sample is empty{_where(sample)}: leave it out")
        if tag is not None and tag in text:
            raise BadInput(
                f"step {number} of a sample contains the step tag {tag!r}{_where(sample)}: remove it from the text"
            )
    if isinstance(sample, Labelled) and all(math.isnan(label) for label in sample.labels):
        raise BadInput(f"a sample of kind 'labelled' has no label{_where(sample)}: leave it out")
    return sample


def texts_of(sample: Sample) -> tuple[str, ...]:
    """The texts that become steps."""
    match sample:
        case Preferred():
            return (*sample.steps, *sample.chosen, *sample.rejected)
        case Operated():
            return tuple(content for _, content in sample.messages)
        case _:
            return sample.steps


def _where(sample: Sample) -> str:
    origin = sample.origin
    if origin.trace:
        return f" (trace {origin.trace}, node {origin.node})"
    return f" (question {sample.question[:60]!r})"
