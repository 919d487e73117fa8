"""One solution against another: a language model that is asked, in both orders, or the difference of two rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reflectree.models.neural.forward import Trunk
from reflectree.models.neural.prefix import Runner
from reflectree.models.neural.scorers.base import Loaded, Numbers, TorchScorer, logistic, parts
from reflectree.models.neural.scorers.reading import reading
from reflectree.models.neural.scorers.sequence_classifier import Logits
from reflectree.models.neural.scorers.token_classifier import said
from reflectree.models.scoring.items import Encoded
from reflectree.rlm_ops.formulas import cancel_position_bias


class GenerativePreference(TorchScorer):
    """The chance that a language model says Yes to "A is better than B": the mean of both orders (arXiv 2410.02884).

    Args:
        loaded: What it is made of.
        model: A causal language model.
        trunk: It without its head.
        head: States to logits of all tokens.
    """

    kind = "preference"
    per_step = False

    def __init__(self, loaded: Loaded, model: Any, trunk: Any, head: Any) -> None:
        inner = Trunk(trunk)
        super().__init__(loaded, [model], inner.causal)
        labels = self.format.labels(loaded.tokenizer, loaded.card)
        # Prompts of pairs are continued by nothing: their keys and values are not worth keeping.
        self.runner: Runner = Runner(inner, reading(said(head, labels)), 0)

    def numbers(self, batch: Sequence[Encoded]) -> list[Numbers]:
        """The chance that the item's steps are the better ones."""
        runs = iter(self.runner.run([part for encoded in batch for part in parts(encoded)]))
        found = []
        for encoded in batch:
            first, second = (next(runs).numbers[part.reads[0]] for part in parts(encoded))
            found.append(Numbers((cancel_position_bias(first, second),), encoded.tokens))
        return found

    def release(self) -> None:
        """Drop the model."""
        del self.runner


class BradleyTerry(TorchScorer):
    """The logistic of the difference of two solutions' rewards; of one solution alone, that of its reward.

    Args:
        loaded: What it is made of.
        model: A sequence classifier, of one class as a rule.
    """

    kind = "preference"
    per_step = False

    def __init__(self, loaded: Loaded, model: Any) -> None:
        self.logits = Logits(loaded, model)
        super().__init__(loaded, [model], self.logits.causal)

    def numbers(self, batch: Sequence[Encoded]) -> list[Numbers]:
        """The chance that the item's steps are the better ones."""
        rewards = iter(self.logits.of([part for encoded in batch for part in parts(encoded)]))
        found = []
        for encoded in batch:
            ours, *theirs = [next(rewards) for _ in parts(encoded)]
            margin = ours.scores[0] - sum(other.scores[0] for other in theirs)
            found.append(Numbers((logistic(margin),), ours.computed + sum(other.computed for other in theirs)))
        return found

    def release(self) -> None:
        """Drop the model."""
        del self.logits
