"""An implicit process reward model: how much likelier a trained policy finds the tokens than its reference does.

r_t = beta (log pi(y_t) - log pi_ref(y_t)); the score after a step is the logistic of the sum so far, so that of the
last step is the outcome's (arXiv 2412.01981, 2502.01456). Tokens of the question have no reward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import torch

from reflectree.models.neural.forward import Trunk
from reflectree.models.neural.prefix import Runner, Span
from reflectree.models.neural.scorers.base import Loaded, Numbers, TorchScorer, logistic
from reflectree.models.scoring.items import Encoded, Item, ItemRefused


class ImplicitPRM(TorchScorer):
    """The logistic of summed log-ratios at each step's end.

    Args:
        loaded: What it is made of; its card has `beta`.
        policy: The trained causal language model, its trunk and its head.
        reference: The frozen one.
    """

    kind = "implicit-prm"

    def __init__(self, loaded: Loaded, policy: tuple[Any, Any, Any], reference: tuple[Any, Any, Any]) -> None:
        trunks = [Trunk(trunk) for _, trunk, _ in (policy, reference)]
        super().__init__(loaded, [policy[0], reference[0]], all(trunk.causal for trunk in trunks))
        self.runners = [
            Runner(trunk, log_likelihoods(head), loaded.prefix_tokens // 2)
            for trunk, (_, _, head) in zip(trunks, (policy, reference), strict=True)
        ]

    def encode(self, item: Item) -> Encoded:
        """The item as token ids."""
        encoded = super().encode(item)
        if not item.steps:
            raise ItemRefused("no_steps", "this model scores steps, and the item has none: send at least one")
        if tuple(cut - 1 for cut in encoded.cuts[1:]) != encoded.reads:
            raise ItemRefused(
                "reads_mismatch", f"the format {self.card.format!r} does not read at step ends: use 'plain'"
            )
        return encoded

    def numbers(self, batch: Sequence[Encoded]) -> list[Numbers]:
        """The score at each step's end."""
        found = []
        for encoded, ours, theirs in zip(batch, *(runner.run(batch) for runner in self.runners), strict=True):
            ratios = [ours.numbers[read] - theirs.numbers[read] for read in encoded.reads]
            sums = accumulate(self.card.beta * ratio for ratio in ratios)
            # What one of the two had to compute anew was computed, whatever the other had.
            found.append(Numbers(tuple(map(logistic, sums)), max(ours.computed, theirs.computed)))
        return found

    def release(self) -> None:
        """Drop both models."""
        for runner in self.runners:
            runner.clear()
        del self.runners


def log_likelihoods(head: Any) -> Callable[[Sequence[Span]], list[list[float]]]:
    """Read a span's log-likelihood, summed up to each of its reads; the first span is the question, which has none."""

    def read(spans: Sequence[Span]) -> list[list[float]]:
        found = []
        for span in spans:
            if span.before is None:
                found.append([0.0] * len(span.reads))
                continue
            states = torch.cat([span.before[None], span.hidden[:-1]])  # a token is predicted by the one before
            ids = torch.tensor(span.ids, device=states.device)
            logits = head(states).float()
            sums = (logits.gather(1, ids[:, None])[:, 0] - logits.logsumexp(-1)).double().cumsum(0).tolist()
            found.append([sums[place] for place in span.reads])
        return found

    return read
