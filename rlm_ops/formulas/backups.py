"""Backups: the value of a node from its own value and from its children's.

The updates of the literature as pure functions of what stands at a node and at its children. Which of them a run uses,
and what it does where something is not known yet, is told by `reflectree.rlm_ops.backup`. Nothing here knows of trees.

A child without visits has no value yet and does not count. Without children that count, the own value stays.
"""

from __future__ import annotations

from collections.abc import Sequence


def child_mean(values: Sequence[float], visits: Sequence[float]) -> float | None:
    """`sum(N_c q_c) / sum(N_c)` over visited children; None where there is none."""
    total = weighted = 0.0
    for n, value in zip(visits, values, strict=True):
        if n > 0:
            total += n
            weighted += n * value
    return weighted / total if total else None


def x1_backup(
    q: float, child_visits: Sequence[float], child_values: Sequence[float], gamma: float = 0.96, rate: float = 1.0
) -> float:
    """The blueprint's x1: `(1 - rate) * q + rate * gamma * sum(N_c q_c) / sum(N_c)` (arXiv 2501.11223, appendix C.1).

    Without children, or with children never visited, `q` stays (the release divides by zero there).
    """
    mean = child_mean(child_values, child_visits)
    return q if mean is None else (1.0 - rate) * q + rate * gamma * mean


def berry_backup(q: float, child: float, gamma: float = 0.1) -> float:
    """LLaMA-Berry: `(1 - gamma) * Q(s) + gamma * Q(s')` (arXiv 2410.02884)."""
    return (1.0 - gamma) * q + gamma * child


def td_backup(q: float, child: float, reward: float = 0.0, gamma: float = 1.0, rate: float = 1.0) -> float:
    """TD(0) towards a child: `q + rate * (reward + gamma * q_c - q)` (Sutton & Barto 2018, section 6.1)."""
    return q + rate * (reward + gamma * child - q)


def mctsr_backup(own: float, best: float) -> float:
    """MCTSr: `(own + best child) / 2` (arXiv 2406.07394)."""
    return 0.5 * (own + best)


def mixed_value(value: float, best: float, alpha: float = 0.5) -> float:
    """The value of a leaf and what its simulation found: `(1 - alpha) * V + alpha * best`.

    ReST-MCTS* (arXiv 2406.03816) takes the best value of a greedy rollout, x1 (arXiv 2501.11223) the mean reward of its
    simulations; both alpha = 0.5.
    """
    return (1.0 - alpha) * value + alpha * best
