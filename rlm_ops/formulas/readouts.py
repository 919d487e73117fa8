"""Read-outs: one number from many (tokens' confidences, steps' scores, repeated rewards), and labels along a path.

Nothing here knows which model scored what.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from reflectree.rlm_ops.errors import BadInput

Aggregation = Literal["last", "min", "prod", "mean"]


def token_confidence(logprob: float, top_logprobs: Sequence[float]) -> float:
    """Marco-o1: `exp(p_i) / sum_k exp(p_k)` over the top alternatives (arXiv 2411.14405).

    Args:
        logprob: Log-probability of the token that was written.
        top_logprobs: Log-probabilities of the (five) best alternatives, the written one included where it is one of
            them. Without alternatives there is no doubt: 1. The result is capped at 1.
    """
    if not top_logprobs:
        return 1.0
    highest = max(*top_logprobs, logprob)
    if highest == -math.inf:
        return 0.0
    total = sum(math.exp(other - highest) for other in top_logprobs)
    return min(1.0, math.exp(logprob - highest) / total) if total > 0 else 1.0


def mean_confidence(confidences: Sequence[float]) -> float:
    """Marco-o1: the value of a step is the mean of its tokens' confidences (arXiv 2411.14405); 0 of none."""
    return sum(confidences) / len(confidences) if confidences else 0.0


def aggregate_steps(scores: Sequence[float], how: Aggregation = "last") -> float:
    """One number for a path from its steps' scores (process reward read-out).

    `last` (search-and-learn), `min` (Math-Shepherd, arXiv 2312.08935), `prod` (Lightman et al., arXiv 2305.20050) or
    `mean`.

    Raises:
        BadInput: There is no score, or `how` is none of these.
    """
    if not scores:
        raise BadInput("a path without scored steps has no score: score at least one step first")
    if how == "last":
        return scores[-1]
    if how == "min":
        return min(scores)
    if how == "prod":
        return math.prod(scores)
    if how == "mean":
        return sum(scores) / len(scores)
    raise BadInput(f"unknown aggregation {how!r}: use last, min, prod or mean")


def mctsr_value(rewards: Sequence[float]) -> float:
    """MCTSr: `(min R + mean R) / 2` over the repeated self-rewards of an answer (arXiv 2406.07394).

    Raises:
        BadInput: There is no reward.
    """
    if not rewards:
        raise BadInput("mctsr_value needs at least one reward")
    return 0.5 * (min(rewards) + sum(rewards) / len(rewards))


def progress(values: Sequence[float]) -> list[float]:
    """PAV: the advantage of each step, the difference its step makes to the prover's Q (arXiv 2410.08146).

    Args:
        values: Q before the first step, then after each step.
    """
    return [after - before for before, after in pairwise(values)]


def rest_process_value(parent_value: float, steps_to_correct: int, correct: bool) -> float:
    """ReST-MCTS* process label: `V_k = max(0, V_(k-1) + (1 - V_(k-1)) * r / m_k)` (arXiv 2406.03816).

    Args:
        parent_value: V_(k-1); the root's is 0.
        steps_to_correct: m_k, steps from here to the nearest correct leaf, that leaf counted as 1. A dead branch
            inherits the m of its nearest ancestor that has one.
        correct: Whether a correct leaf lies below: r is +1 if so, else -1.

    Raises:
        BadInput: `steps_to_correct` is below 1.
    """
    if steps_to_correct < 1:
        raise BadInput("steps_to_correct counts the correct leaf itself, so it is at least 1")
    reward = 1.0 if correct else -1.0
    return max(0.0, parent_value + (1.0 - parent_value) * reward / steps_to_correct)


def rest_process_labels(steps_to_correct: Sequence[int], correct: Sequence[bool]) -> list[float]:
    """`rest_process_value` along a path from the root (V_0 = 0): one label a step."""
    labels: list[float] = []
    value = 0.0
    for steps, right in zip(steps_to_correct, correct, strict=True):
        value = rest_process_value(value, steps, right)
        labels.append(value)
    return labels
