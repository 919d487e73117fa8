"""Trains the value model: the policy's trunk with a head that reads the state's last position, on nested labels."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.net import ids, spell
from reflectree.models.neural.countdown.sampling import scores
from reflectree.models.neural.heads import ValueHead
from reflectree.training.countdown.fitting import Optimiser, Report, Schedule
from reflectree.training.countdown.labels import Label

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, LlamaModel

HIT = 0.05
"""From this chance on a state of two numbers counts as one that can be solved."""
HITS = 0.35
"""Share of such states among those of two numbers in a batch."""


def new_value(policy: LlamaForCausalLM, seed: int) -> tuple[LlamaModel, ValueHead]:
    """A copy of the policy's trunk with a new head."""
    torch.manual_seed(seed)
    return copy.deepcopy(policy.model), ValueHead(policy.config.hidden_size)


def fit_value(
    trunk: LlamaModel,
    head: ValueHead,
    labels: Sequence[Label],
    schedule: Schedule,
    *,
    share: float,
    mix: dict[int, float],
    seed: int,
    report: Report,
) -> None:
    """Binary cross-entropy on labels; each batch holds `mix[n]` of its states with n numbers."""
    random, model = Random(f"value {seed}"), nn.ModuleDict({"model": trunk, "head": head})
    pools: list[tuple[int, list[Label]]] = []
    for size, part in mix.items():
        there = [label for label in labels if len(label.at.numbers) == size]
        count = round(part * schedule.batch)
        if size == 2:
            # few of the states below sampled steps can be solved, and those are the ones to know
            good = [label for label in there if label.mean > HIT]
            hits = round(count * HITS)
            pools += [(hits, good), (count - hits, [label for label in there if label.mean <= HIT])]
        else:
            pools.append((count, there))
    pools = [(count, pool) for count, pool in pools if pool and count]
    optimiser, recent, begun = Optimiser(model, schedule), 0.0, time.process_time()
    model.train()
    for step in range(schedule.steps):
        total = 0.0
        groups: dict[int, list[Label]] = {}
        for count, pool in pools:
            for label in random.choices(pool, k=count):
                groups.setdefault(len(ids(spell(label.at))), []).append(label)
        size = sum(map(len, groups.values()))
        for group in _merged(groups):
            loss = _loss(trunk, head, group, share) * (len(group) / size)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        optimiser.update(step)
        recent = total if not step else 0.98 * recent + 0.02 * total
        if (step + 1) % 200 == 0 or step + 1 == schedule.steps:
            report(
                f"value update {step + 1}/{schedule.steps} loss {recent:.4f} {time.process_time() - begun:.0f} cpu-s"
            )
    model.eval()


def _merged(groups: dict[int, list[Label]]) -> list[list[Label]]:
    """States of similar lengths together, in two slices."""
    ordered = [label for length in sorted(groups) for label in groups[length]]
    half = len(ordered) // 2
    return [part for part in (ordered[:half], ordered[half:]) if part]


def _loss(trunk: LlamaModel, head: ValueHead, group: Sequence[Label], share: float) -> torch.Tensor:
    texts = [ids(spell(label.at)) for label in group]
    longest = max(map(len, texts))
    tokens = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
    hidden = trunk(input_ids=tokens).last_hidden_state
    last = hidden[torch.arange(len(texts)), torch.tensor([len(text) - 1 for text in texts])]
    targets = torch.tensor([label.target(share) for label in group])
    return functional.binary_cross_entropy_with_logits(head(last), targets)


def split(labels: Sequence[Label]) -> tuple[list[Label], list[Label]]:
    """Labels to train on, and one set of numbers in twenty to measure with."""
    held = [one for one in labels if hash(one.at.numbers) % 20 == 0]  # of whole numbers: the same in every process
    return [one for one in labels if hash(one.at.numbers) % 20], held


def quality(trunk: LlamaModel, head: ValueHead, labels: Sequence[Label], share: float) -> list[str]:
    """Correlation and Brier score on labels, by how many numbers a state has; one line each."""
    network, lines = Network(trunk), []
    for size in sorted({len(one.at.numbers) for one in labels}):
        there = [one for one in labels if len(one.at.numbers) == size]
        if len(there) < 20:
            continue
        found = 1 / (1 + np.exp(-np.array(scores(network, head, [spell(one.at) for one in there]))))
        truth = np.array([one.target(share) for one in there])
        line = f"correlation {np.corrcoef(found, truth)[0, 1]:.2f}, Brier {((found - truth) ** 2).mean():.4f}"
        lines.append(
            f"value of {len(there)} held-out states of {size} numbers: {line} (of a constant {truth.var():.4f})"
        )
    return lines
