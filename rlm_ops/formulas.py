"""The formulas of the literature as pure functions: selection scores, backups, priors, read-outs.

Each docstring names its source. Where a count is 0 the value is a stated convention, never a division by zero. Nothing
here knows of nodes, trees or models: a strategy passes numbers in and gets a number out.

Symbols: `q` is a child's mean value, `parent_visits` and `visits` are N of the parent and of the child, `c` weighs
exploration. Scores are only comparable among the children of one parent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from reflectree.rlm_ops.errors import BadInput

Aggregation = Literal["last", "min", "prod", "mean"]

SQRT2 = math.sqrt(2.0)


def _log_visits(parent_visits: float) -> float:
    """Natural logarithm of N_p; 0 below one visit, so that a tree without visits explores nothing."""
    return math.log(parent_visits) if parent_visits > 1 else 0.0


def uct(q: float, parent_visits: float, visits: float, c: float = SQRT2, unvisited: float = math.inf) -> float:
    """UCT: `q + c * sqrt(ln N_p / N_c)` (Kocsis & Szepesvari 2006).

    Args:
        q: Mean value of the child.
        parent_visits: N_p.
        visits: N_c.
        c: Exploration weight.
        unvisited: What N_c = 0 gives; infinity tries every child once before any child twice.
    """
    if visits <= 0:
        return unvisited
    return q + c * math.sqrt(_log_visits(parent_visits) / visits)


def puct(
    q: float, parent_visits: float, visits: float, prior: float, c_init: float = 1.25, c_base: float = 19652.0
) -> float:
    """PUCT: `q + (c_init + ln((N_p + c_base + 1) / c_base)) * P * sqrt(N_p) / (1 + N_c)`.

    AlphaZero (Silver et al. 2018) in the form OpenR (arXiv 2410.09671) uses. N_c = 0 needs no convention; at N_p = 0
    the exploration term is 0, so the first choice is by `q` alone.
    """
    rate = c_init + math.log((parent_visits + c_base + 1.0) / c_base)
    return q + rate * prior * math.sqrt(parent_visits) / (1.0 + visits)


def x1_selection(
    q: float,
    parent_visits: float,
    visits: float,
    c1: float = 1.25,
    c2: float = 19652.0,
    low: float = -1.0,
    high: float = 1.0,
) -> float:
    """The blueprint's x1: `(q - low) / (high - low) + sqrt(N_p - 1) / (1 + N_c) * (c1 + ln((N_p + c2) / c2))`.

    arXiv 2501.11223, appendix C.1.2: PUCT without a prior over values normalised from `[low, high]` to `[0, 1]`. The
    parent's own visit does not count, so a parent with N_p <= 1 explores nothing. `low == high` normalises to 0.
    """
    normalised = (q - low) / (high - low) if high != low else 0.0
    others = max(0.0, parent_visits - 1.0)
    return normalised + math.sqrt(others) / (1.0 + visits) * (c1 + math.log((others + c2 + 1.0) / c2))


def x1_backup(
    q: float, child_visits: Sequence[float], child_values: Sequence[float], gamma: float = 0.96, rate: float = 1.0
) -> float:
    """The blueprint's x1: `(1 - rate) * q + rate * gamma * sum(N_c q_c) / sum(N_c)` (arXiv 2501.11223, appendix C.1).

    Without children, or with children never visited, `q` stays (the release divides by zero there).
    """
    total = sum(child_visits)
    if total <= 0:
        return q
    mean = sum(n * value for n, value in zip(child_visits, child_values, strict=True)) / total
    return (1.0 - rate) * q + rate * gamma * mean


def rest_mcts_uct(value: float, parent_visits: float, visits: float, c: float = 0.7) -> float:
    """ReST-MCTS*: `V + c * sqrt(2 ln N_p / N_c)`; an unvisited child scores `V + 1` (arXiv 2406.03816, release)."""
    if visits <= 0:
        return value + 1.0
    return value + c * math.sqrt(2.0 * _log_visits(parent_visits) / visits)


def rstar_uct(q: float, parent_visits: float, visits: float, c: float = 2.0) -> float:
    """rStar-Math: `q + c * sqrt(ln N_p / N_c)`, c = 2; an unvisited child scores 0 (arXiv 2501.04519, release)."""
    return uct(q, parent_visits, visits, c, unvisited=0.0)


def lats_uct(value: float, parent_visits: float, visits: float, c: float = 1.0) -> float:
    """LATS: `V + c * sqrt(2 ln N_p / N_c)`, V being the mean value (arXiv 2310.04406, release).

    An unvisited child scores its own value, as in the release.
    """
    if visits <= 0:
        return value
    return value + c * math.sqrt(2.0 * _log_visits(parent_visits) / visits)


def mctsr_value(rewards: Sequence[float]) -> float:
    """MCTSr: `(min R + mean R) / 2` over the repeated self-rewards of an answer (arXiv 2406.07394).

    Raises:
        BadInput: There is no reward.
    """
    if not rewards:
        raise BadInput("mctsr_value needs at least one reward")
    return 0.5 * (min(rewards) + sum(rewards) / len(rewards))


def mctsr_ucb(value: float, parent_visits: float, visits: float, c: float = 1.4, epsilon: float = 1e-5) -> float:
    """MCTSr: `Q + c * sqrt(ln(N_p + 1) / (N_c + epsilon))` (arXiv 2406.07394); finite at N_c = 0."""
    return value + c * math.sqrt(math.log(parent_visits + 1.0) / (visits + epsilon))


def softmax(scores: Sequence[float]) -> list[float]:
    """Softmax that neither overflows nor divides by zero; scores that are all minus infinity come out uniform."""
    if not scores:
        return []
    highest = max(scores)
    if highest == -math.inf:
        return [1.0 / len(scores)] * len(scores)
    weights = [math.exp(score - highest) for score in scores]
    total = sum(weights)
    return [weight / total for weight in weights]


def length_normalised_prior(logprob_sums: Sequence[float], tokens: Sequence[int]) -> list[float]:
    """OpenR's prior over siblings: softmax of each step's *mean* token log-probability (arXiv 2410.09671, release).

    Args:
        logprob_sums: For each sibling the sum of its tokens' log-probabilities, in nats.
        tokens: For each sibling how many tokens it has; a step of none counts as one of probability 1.
    """
    return softmax([s / n if n > 0 else 0.0 for s, n in zip(logprob_sums, tokens, strict=True)])


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
