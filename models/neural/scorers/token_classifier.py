"""Classes at step tags: process reward models of four families, one scorer and four ways from a state to a score.

Qwen2.5-Math-PRM and token classifiers have a head of classes; Math-Shepherd, RLHFlow and OpenR are language models that
say one of two tokens; Skywork has a linear layer and a logistic.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from reflectree.models.neural.scorers.base import Loaded
from reflectree.models.neural.scorers.reading import ScoreOf, StateScorer, finite
from reflectree.rlm_ops.errors import BadInput


class TokenClassifier(StateScorer):
    """The chance of the good class at each read."""

    kind = "token-classifier"


def classes(head: nn.Module, good: int) -> ScoreOf:
    """Softmax over a head's classes, the good one's share; the logistic where there is one class only."""

    def score_of(states: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = head(states)
        if logits.shape[-1] == 1:
            raw = logits.squeeze(-1).float()
            return finite(raw, torch.sigmoid(raw))
        return logits.float().softmax(-1)[:, good]

    return score_of


def said(head: nn.Module, labels: tuple[int, int]) -> ScoreOf:
    """What a language model says, the good token or the bad one: softmax over the two, the good one's share.

    Args:
        head: The language model's head: states to logits of all tokens.
        labels: Ids of the bad and of the good token.
    """
    return lambda states: head(states)[:, list(labels)].float().softmax(-1)[:, 1]


class ProcessHead(nn.Sequential):
    """The head of `Qwen2ForProcessRewardModel`, which transformers has no class of: weights `score.0` and `score.2`."""

    def __init__(self, width: int, labels: int) -> None:
        super().__init__(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, labels))


class SummaryHead(nn.Linear):
    """The head of Skywork-o1-Open-PRM: weights `v_head.summary`."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 1)


def good_class(config: Any, loaded: Loaded) -> int:
    """Which of a classifier's classes is the good one: the card's, else the last.

    Raises:
        BadInput: The card names one that the model does not have.
    """
    if loaded.card.labels is None:
        return int(config.num_labels) - 1
    names = {str(name): int(place) for place, name in config.id2label.items()}
    wanted = loaded.card.labels[1]
    if wanted not in names:
        raise BadInput(f"the model has no class {wanted!r}, which its card calls good: it has {', '.join(names)}")
    return names[wanted]
