"""Fits the policy to steps and the value head to chances: batches, losses, the optimiser, one loop for both.

Muon (orthogonalised momentum) moves the matrices, AdamW everything else; the step count is fixed beforehand, so that a
seed gives the same weights however busy the machine is. It makes no data.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from reflectree.models.neural.countdown.game import Move, State
from reflectree.models.neural.countdown.net import END_ID, PAD_ID, ids, spell, spell_move

Report = Callable[[str], None]
SLICES = 2
"""A batch is computed in slices of similar lengths: less padding, the same gradient."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A step to learn at a state; `weight` may be negative (a step to unlearn)."""

    at: State
    move: Move
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: Updates.
        batch: Samples an update.
        rate: Highest learning rate of AdamW; Muon takes `muon` times as much.
        muon: That factor; 0 leaves everything to AdamW.
        warm: Updates until the highest rate is reached.
        floor: The last rate, as a share of the highest.
        decay: Weight decay.
    """

    steps: int
    batch: int = 128
    rate: float = 3e-3
    muon: float = 6.0
    warm: int = 50
    floor: float = 0.02
    decay: float = 0.01

    def share(self, step: int) -> float:
        """The learning rate of an update, as a share of the highest: warm-up, then a cosine."""
        if step < self.warm:
            return (step + 1) / self.warm
        way = (step - self.warm) / max(1, self.steps - self.warm)
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, way)))


class Optimiser:
    """Muon for the matrices of the layers, AdamW for the rest."""

    def __init__(self, model: nn.Module, schedule: Schedule) -> None:
        self.schedule = schedule
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in f".{name}"]
        if not schedule.muon:
            matrices = []
        known = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in known]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.AdamW(rest, lr=1.0, betas=(0.9, 0.98), weight_decay=schedule.decay), schedule.rate)
        ]
        if matrices:
            muon = torch.optim.Muon(matrices, lr=1.0, momentum=0.95, weight_decay=schedule.decay, ns_steps=4)
            self.parts.append((muon, schedule.rate * schedule.muon))
        self.parameters = list(model.parameters())

    def update(self, step: int) -> None:
        """One update with the gradients at hand."""
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimiser, rate in self.parts:
            for group in optimiser.param_groups:
                group["lr"] = rate * self.schedule.share(step)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)


def padded(texts: Sequence[Sequence[int]]) -> Tensor:
    """Texts as a matrix, padded on the right: causal attention never looks there."""
    longest = max(map(len, texts))
    return torch.tensor([[*text, *[PAD_ID] * (longest - len(text))] for text in texts])


def step_loss(model: nn.Module, batch: Sequence[Taught]) -> Tensor:
    """Cross-entropy of the steps' characters, weighted, summed over the batch's slice and divided by `len(batch)`."""
    prompts = [ids(spell(sample.at)) for sample in batch]
    texts = [[*prompt, *ids(spell_move(sample.move)), END_ID] for prompt, sample in zip(prompts, batch, strict=True)]
    tokens = padded(texts)
    learnt = torch.zeros(tokens.shape)
    for row, (prompt, text, sample) in enumerate(zip(prompts, texts, batch, strict=True)):
        learnt[row, len(prompt) : len(text)] = sample.weight
    places = learnt[:, 1:] != 0
    trunk = model.model(input_ids=tokens[:, :-1]).last_hidden_state  # type: ignore[operator]
    logits = model.lm_head(trunk[places])  # type: ignore[operator]
    losses = functional.cross_entropy(logits, tokens[:, 1:][places], reduction="none")
    return (losses * learnt[:, 1:][places]).sum() / len(batch)


def slices(batch: Sequence[Taught]) -> Iterator[Sequence[Taught]]:
    """A batch in slices of similar lengths."""
    ordered = sorted(batch, key=lambda sample: len(sample.at.numbers))
    size = math.ceil(len(ordered) / SLICES)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def fit_policy(
    model: nn.Module, batches: Iterator[Sequence[Taught]], schedule: Schedule, report: Report, every: int = 200
) -> float:
    """Teach the policy steps; the mean loss of the last updates."""
    model.train()
    optimiser, recent, begun = Optimiser(model, schedule), 0.0, time.process_time()
    for step in range(schedule.steps):
        batch = next(batches)
        total = 0.0
        for part in slices(batch):
            loss = step_loss(model, part) * (len(part) / len(batch))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        optimiser.update(step)
        recent = total if not step else 0.98 * recent + 0.02 * total
        if (step + 1) % every == 0 or step + 1 == schedule.steps:
            report(f"update {step + 1}/{schedule.steps} loss {recent:.4f} {time.process_time() - begun:.0f} cpu-s")
    model.eval()
    return recent
