"""The update: a clipped policy gradient on episodes whose steps carry advantages, near a reference.

    L = - mean_t min(r_t A_t, clip(r_t, 1 - low, 1 + high) A_t) + kl * KL(policy, reference) - entropy * H + value loss

(PPO, arXiv 1707.06347, eq. 7; GRPO's unbiased divergence, arXiv 2402.03300, eq. 4.) It knows tokens and advantages, and
neither problems nor rewards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from reflectree.models.scoring.template import StepTemplate
from reflectree.training.trainers.report import Diverged
from reflectree.training.trainers.rl.episodes import Episode
from reflectree.training.trainers.rl.tokens import Batch, batched


class Update(BaseModel):
    """How the policy follows its episodes.

    Attributes:
        lr: Learning rate of AdamW.
        batch: Episodes a gradient step.
        epochs: Passes over the episodes of an iteration.
        clip: How far the probability ratio may fall below 1 before its gradient stops; `clip_high` how far above.
        kl: Weight of the divergence from the reference in the loss.
        entropy: Weight of the entropy.
        value: Weight of the critic's squared error, where there is a critic.
        average: Over what the loss is a mean: each output's tokens and then the outputs (`output`, the GRPO paper), or
            all tokens alike (`token`, DAPO).
        max_norm: The gradient's norm is cut to this.
        weight_decay: Of AdamW.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lr: float = Field(default=1e-6, gt=0)
    batch: int = Field(default=8, ge=1)
    epochs: int = Field(default=1, ge=1)
    clip: float = Field(default=0.2, gt=0)
    clip_high: float | None = Field(default=None, gt=0)
    kl: float = Field(default=0.0, ge=0)
    entropy: float = Field(default=0.0, ge=0)
    value: float = Field(default=0.0, ge=0)
    average: Literal["output", "token"] = "token"
    max_norm: float = Field(default=1.0, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


@dataclass(frozen=True, slots=True)
class Stats:
    """What an update came to, as means over its gradient steps: loss, divergence, share of clipped ratios, entropy."""

    loss: float
    kl: float
    clipped: float
    entropy: float
    value_loss: float
    tokens: int
    steps: int


def logprobs(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probability and entropy of each token given those before it, `[B, T]`, and the last hidden states."""
    found = model(input_ids=batch.ids, attention_mask=batch.real, output_hidden_states=True)
    logits = found.logits[:, :-1].float().log_softmax(-1)
    chosen = logits.gather(-1, batch.ids[:, 1:, None])[..., 0]
    entropy = -(logits.exp() * logits).sum(-1)
    pad = batch.ids.new_zeros((batch.ids.shape[0], 1), dtype=torch.float)
    return torch.cat([pad, chosen], 1), torch.cat([pad, entropy], 1), found.hidden_states[-1]


class Updater:
    """Holds policy, reference, critic and optimizer over the iterations of a training.

    Args:
        model: The policy: a causal language model.
        tokenizer: Its tokenizer.
        settings: How it learns.
        reference: The frozen policy from which it may not stray; needed where `settings.kl` is above 0.
        critic: A head on the policy's hidden states, `[.., hidden] -> [.., 1]`; needed where `settings.value` is.
        template: How steps become tokens.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        settings: Update,
        *,
        reference: Any = None,
        critic: torch.nn.Module | None = None,
        template: StepTemplate | None = None,
    ) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        self.reference, self.critic = reference, critic
        self.template = template or StepTemplate()
        learnt = [p for p in model.parameters() if p.requires_grad]
        learnt += list(critic.parameters()) if critic is not None else []
        self.parameters = learnt
        self.optimizer = torch.optim.AdamW(learnt, lr=settings.lr, weight_decay=settings.weight_decay)
        self.device = next(model.parameters()).device

    def update(self, episodes: Sequence[Episode], seed: int = 0) -> Stats:
        """Learn from the episodes.

        Raises:
            Diverged: A loss is no number; the policy is as it was before that step.
        """
        settings = self.settings
        order = torch.Generator().manual_seed(seed)
        minis = [list(chunk) for chunk in _chunks(episodes, settings.batch)]
        self.model.eval()
        with torch.no_grad():
            given = [self._given(batched(self.tokenizer, self.template, mini, self.device)) for mini in minis]
        sums = [0.0] * 5
        steps = 0
        self.model.train()
        for _ in range(settings.epochs):
            for k in torch.randperm(len(given), generator=order).tolist():
                parts = self._step(*given[k])
                sums = [total + part for total, part in zip(sums, parts, strict=True)]
                steps += 1
        self.model.eval()
        loss, kl, clipped, entropy, value = (total / max(1, steps) for total in sums)
        return Stats(loss, kl, clipped, entropy, value, sum(batch.tokens for batch, _, _ in given), steps)

    def _given(self, batch: Batch) -> tuple[Batch, torch.Tensor, torch.Tensor | None]:
        old, _, _ = logprobs(self.model, batch)
        reference = logprobs(self.reference, batch)[0] if self.reference is not None else None
        return batch, old, reference

    def _step(self, batch: Batch, old: torch.Tensor, reference: torch.Tensor | None) -> list[float]:
        settings = self.settings
        new, entropies, hidden = logprobs(self.model, batch)
        ratio = (new - old).exp()
        high = settings.clip if settings.clip_high is None else settings.clip_high
        inside = ratio.clamp(1.0 - settings.clip, 1.0 + high)
        surrogate = torch.minimum(ratio * batch.advantages, inside * batch.advantages)
        zero = new.new_zeros(())
        entropy = self._mean(entropies, batch)
        kl = zero
        if reference is not None:
            difference = reference - new
            kl = self._mean(difference.exp() - difference - 1.0, batch)
        value = zero
        if self.critic is not None and settings.value:
            # the state before a token is the hidden state of the token before it
            predicted = self.critic(hidden[:, :-1])[..., 0]
            value = 0.5 * ((predicted - batch.returns[:, 1:]) ** 2 * batch.learnt[:, 1:]).sum() / batch.learnt.sum()
        loss = -self._mean(surrogate, batch) + settings.kl * kl - settings.entropy * entropy + settings.value * value
        if not math.isfinite(loss.item()):
            raise Diverged("the loss is no number any more: lower lr, or look at the rewards")
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, settings.max_norm)
        self.optimizer.step()
        clipped = self._mean((ratio != inside).float(), batch)
        return [loss.item(), kl.item(), clipped.item(), entropy.item(), value.item()]

    def _mean(self, values: torch.Tensor, batch: Batch) -> torch.Tensor:
        if self.settings.average == "token":
            return (values * batch.learnt).sum() / batch.learnt.sum().clamp(min=1.0)
        return ((values * batch.learnt).sum(1) / batch.learnt.sum(1).clamp(min=1.0)).mean()


def _chunks(episodes: Sequence[Episode], size: int) -> Iterator[Sequence[Episode]]:
    for start in range(0, len(episodes), size):
        yield episodes[start : start + size]
