"""Supervised fine-tuning from nothing: the policy learns the steps of generated solutions."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

import torch

from reflectree.models.neural.countdown.net import new_policy
from reflectree.training.countdown.data import Kind, check, training_solutions
from reflectree.training.countdown.fitting import Report, Schedule, Taught, fit_policy

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

SHUFFLED = 40
"""Batches that are shuffled together: a solution's own steps do not share a batch."""


def solution_batches(kinds: list[Kind], size: int, seed: int) -> Iterator[list[Taught]]:
    """Endless batches of steps of generated solutions, none of them at a test puzzle (asserted)."""
    random, solutions, held = Random(f"shuffle {seed}"), training_solutions(kinds, seed), list[Taught]()
    while True:
        while len(held) < size * SHUFFLED:
            pairs = next(solutions)
            check([at for at, _ in pairs])
            held += [Taught(at, move) for at, move in pairs]
        random.shuffle(held)
        while len(held) >= size * SHUFFLED // 2:
            yield held[-size:]
            del held[-size:]


def sft(kinds: list[Kind], schedule: Schedule, seed: int, report: Report, hidden: int = 96) -> LlamaForCausalLM:
    """A policy trained on generated solutions."""
    torch.manual_seed(seed)
    model = new_policy(hidden)
    fit_policy(model, solution_batches(kinds, schedule.batch, seed), schedule, report)
    return model
