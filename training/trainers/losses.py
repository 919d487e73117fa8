"""The losses of supervised and preference training as pure functions of tensors.

Each names its source and is held to the golden numbers of its card. All take weights where samples have them; a mean
is always the weighted one. Nothing here knows models, batches of text or trainers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reflectree.models.neural.heads import Scale, scaled

IGNORED = -100
"""The label of a token that is not learnt, as in Hugging Face's and TRL's code."""


def weighted_mean(losses: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean of `losses`, each counted by its weight; 0 where all weights are 0."""
    if weights is None:
        return losses.mean()
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(losses.dtype).tiny)


def value_mse(logits: Tensor, values: Tensor, weights: Tensor | None = None, scale: Scale = "sigmoid") -> Tensor:
    """Squared error to a backed-up value in [0, 1] (blueprint 2501.11223, appendix C; ReST-MCTS* 2406.03816).

    Args:
        logits: The head's outputs, any shape.
        values: What they should be, the same shape.
        weights: One a value.
        scale: `sigmoid` or `tanh`.
    """
    return weighted_mean((scaled(logits, scale) - values) ** 2, weights)


def value_bce(logits: Tensor, values: Tensor, weights: Tensor | None = None, scale: Scale = "sigmoid") -> Tensor:
    """Cross-entropy with the value as a soft label: -v log s(x) - (1 - v) log(1 - s(x)) (OmegaPRM, 2406.06592).

    With `scale` tanh the logit is 2 x, for (1 + tanh x) / 2 = s(2 x).
    """
    inner = 2 * logits if scale == "tanh" else logits
    return weighted_mean(F.binary_cross_entropy_with_logits(inner, values, reduction="none"), weights)


def step_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of the classes bad and good at step tags, with soft labels (Math-Shepherd, 2312.08935).

    Args:
        logits: Shape (reads, 2): bad, good.
        labels: Shape (reads,): how good each step is, in [0, 1].
        weights: One a read.
    """
    logs = torch.log_softmax(logits, dim=-1)
    return weighted_mean(-(labels * logs[..., 1] + (1 - labels) * logs[..., 0]), weights)


def bradley_terry(better: Tensor, worse: Tensor, weights: Tensor | None = None) -> Tensor:
    """-log s(s+ - s-), the mean over pairs."""
    return weighted_mean(-F.logsigmoid(better - worse), weights)


def ppm(better: Tensor, worse: Tensor, groups: Tensor, weights: Tensor | None = None) -> Tensor:
    """-log s(s+ - s-) averaged over all pairs of a question, then over questions (rStar-Math, 2501.04519).

    Args:
        better: Scores of the better ones, one a pair.
        worse: Scores of the worse ones.
        groups: The question of each pair, numbered from 0 without gaps.
        weights: One a pair, within its question.
    """
    losses = -F.logsigmoid(better - worse)
    share = torch.ones_like(losses) if weights is None else weights
    count = int(groups.max()) + 1
    sums = losses.new_zeros(count).index_add(0, groups, losses * share)
    totals = losses.new_zeros(count).index_add(0, groups, share)
    return weighted_mean(sums / totals.clamp(min=torch.finfo(losses.dtype).tiny), (totals > 0).to(losses.dtype))


def token_logprobs(logits: Tensor, labels: Tensor) -> Tensor:
    """The log-probability of each token given those before it; 0 for tokens that are not learnt.

    Args:
        logits: Shape (batch, tokens, vocabulary).
        labels: Shape (batch, tokens): the token ids, `IGNORED` where not learnt.

    Returns:
        Shape (batch, tokens - 1): of tokens 1, 2, ...
    """
    wanted = labels[:, 1:]
    known = wanted != IGNORED
    logs = torch.log_softmax(logits[:, :-1].float(), dim=-1)
    taken = logs.gather(-1, wanted.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return taken * known


def implicit_rewards(log_ratios: Tensor, beta: float) -> Tensor:
    """The reward of each token: beta (log pi - log pi_ref) (PRIME, 2502.01456)."""
    return beta * log_ratios


def implicit_ce(log_ratios: Tensor, outcomes: Tensor, beta: float, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of s(beta sum log-ratio) and the outcome (ImplicitPRM, 2412.01981; PRIME).

    Args:
        log_ratios: Shape (batch, tokens): 0 where a token is not counted.
        outcomes: Shape (batch,): in [0, 1].
        beta: The log-ratio's weight.
        weights: One a sequence.
    """
    return value_bce(implicit_rewards(log_ratios, beta).sum(-1), outcomes, weights)


def dpo(better: Tensor, worse: Tensor, beta: float, weights: Tensor | None = None) -> Tensor:
    """-log s(beta (r+ - r-)) over the log-ratios of policy to reference of both sequences (DPO, 2305.18290, eq. 7)."""
    return bradley_terry(beta * better, beta * worse, weights)


def rpo(better: Tensor, worse: Tensor, likelihood: Tensor, beta: float, alpha: float) -> Tensor:
    """DPO plus `alpha` times the better one's negative log-likelihood a token (RPO, 2404.19733).

    Args:
        better: Log-ratio of the better sequences.
        worse: Log-ratio of the worse ones.
        likelihood: Mean log-probability of the better ones' tokens.
        beta: DPO's weight of the log-ratio.
        alpha: The weight of the likelihood.
    """
    return dpo(better, worse, beta) - alpha * likelihood.mean()


def step_apo(better: Tensor, worse: Tensor, values: Tensor, beta: float, weights: Tensor | None = None) -> Tensor:
    """-log s(beta r+ - V+ - beta r- + V-): the margin is the difference of the values (CPL, 2409.08642).

    Args:
        better: Log-ratios of the better steps, shape (batch,).
        worse: Log-ratios of the worse steps.
        values: Shape (batch, 2): the values of the states both lead to, better first.
        beta: The log-ratios' weight.
        weights: One a pair.
    """
    return bradley_terry(beta * better - values[:, 0], beta * worse - values[:, 1], weights)
