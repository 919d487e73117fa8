"""Classifiers of a whole text: outcome reward models. One class is a logistic, of two or more the last is the good one.

Causal models are read at the text's last token, behind shared prefixes; others are run as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from reflectree.models.neural.forward import Row, Trunk, mask
from reflectree.models.neural.prefix import Runner
from reflectree.models.neural.scorers.base import Loaded, Numbers, TorchScorer, logistic
from reflectree.models.neural.scorers.reading import reading
from reflectree.models.neural.scorers.token_classifier import good_class
from reflectree.models.scoring.items import Encoded, Item, ItemRefused


class Logits:
    """What a sequence classifier says of texts, as one number each: the logit of its good class against the others.

    Args:
        loaded: What the scorer is made of.
        model: A sequence classifier.
    """

    def __init__(self, loaded: Loaded, model: Any) -> None:
        self.model = model
        self.good = good_class(model.config, loaded)
        self.device = next(model.parameters()).device
        trunk = Trunk(model.base_model)
        self.causal = trunk.causal and hasattr(model, "score")
        # The state of the last token decides; elsewhere the model's own pooling does.
        self.runner = Runner(trunk, reading(self._of_states), loaded.prefix_tokens) if self.causal else None

    def of(self, batch: Sequence[Encoded]) -> list[Numbers]:
        """One logit a text, in order."""
        if self.runner is not None:
            return [
                Numbers((run.numbers[encoded.reads[-1]],), run.computed)
                for encoded, run in zip(batch, self.runner.run(batch), strict=True)
            ]
        found = self._of_logits(self._run(batch)).float().tolist()
        return [Numbers((logit,), encoded.tokens) for encoded, logit in zip(batch, found, strict=True)]

    def _of_states(self, states: torch.Tensor) -> torch.Tensor:
        return self._of_logits(self.model.score(states))

    def _of_logits(self, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.float()
        if logits.shape[-1] == 1:
            return logits.squeeze(-1)
        others = [place for place in range(logits.shape[-1]) if place != self.good]
        return logits[:, self.good] - logits[:, others].logsumexp(-1)

    def _run(self, batch: Sequence[Encoded]) -> torch.Tensor:
        rows = [Row(encoded.ids) for encoded in batch]
        longest = max(encoded.tokens for encoded in batch)
        pad = self.model.config.pad_token_id or 0
        ids = [[*encoded.ids, *[pad] * (longest - encoded.tokens)] for encoded in batch]
        given = {"attention_mask": mask(rows, 0, self.device)}
        if getattr(self.model.config, "type_vocab_size", 0) > 1:
            given["token_type_ids"] = (
                torch.tensor(
                    [[int(place >= encoded.cuts[0]) for place in range(longest)] for encoded in batch],
                    device=self.device,
                )
                * given["attention_mask"]
            )
        logits: torch.Tensor = self.model(input_ids=torch.tensor(ids, device=self.device), **given).logits
        return logits


class SequenceClassifier(TorchScorer):
    """The chance of the good class: one score for the whole."""

    kind = "sequence-classifier"
    per_step = False

    def __init__(self, loaded: Loaded, model: Any) -> None:
        self.logits = Logits(loaded, model)
        super().__init__(loaded, [model], self.logits.causal)

    def encode(self, item: Item) -> Encoded:
        """The item as token ids."""
        if item.against is not None:
            raise ItemRefused("pair_not_supported", "this model scores one solution: send no 'against'")
        return super().encode(item)

    def numbers(self, batch: Sequence[Encoded]) -> list[Numbers]:
        """One score an item."""
        return [Numbers((logistic(made.scores[0]),), made.computed) for made in self.logits.of(batch)]

    def release(self) -> None:
        """Drop the model."""
        del self.logits
