"""Backups: the value of a node from its own evaluations and from its children.

`BACKUPS` has one rule a name, all of one form, each a pure function of what stands at the node and its children: it
keeps no history, so computing it again changes nothing. `x1`, `berry` and `td` move the node's *own* value towards its
children's; the updates they are made of (`x1_backup`, `berry_backup`, `td_backup`) are functions of their own, for a
search that applies them to the value backed up so far, once a visit. Nothing here knows of trees.

A child without visits has no value yet and does not count. Without children that count, the own value stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

BackupRule = Callable[[float | None, float, Sequence[float], Sequence[float]], float | None]
"""`(own mean or None, own count, children's values, children's visits)` to the node's value; None: nothing is known."""


def child_mean(values: Sequence[float], visits: Sequence[float]) -> float | None:
    """`sum(N_c q_c) / sum(N_c)` over visited children; None where there is none."""
    total = sum(n for n in visits if n > 0)
    if total <= 0:
        return None
    return sum(n * value for n, value in zip(visits, values, strict=True) if n > 0) / total


def best_child(values: Sequence[float], visits: Sequence[float]) -> float | None:
    """The highest value of a visited child; None where there is none."""
    return max((value for n, value in zip(visits, values, strict=True) if n > 0), default=None)


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


def td_backup(q: float, best: float, reward: float = 0.0, gamma: float = 0.96, rate: float = 1.0) -> float:
    """TD(0) towards the best child: `q + rate * (reward + gamma * max q_c - q)` (Sutton & Barto 2018, section 6.1)."""
    return q + rate * (reward + gamma * best - q)


def mean_rule(own: float | None, count: float, values: Sequence[float], visits: Sequence[float]) -> float | None:
    """AlphaZero's running mean: over the node's own evaluations and all below it."""
    below = child_mean(values, visits)
    if own is None or count <= 0:
        return below
    if below is None:
        return own
    total = sum(n for n in visits if n > 0)
    return (own * count + below * total) / (count + total)


def max_rule(own: float | None, count: float, values: Sequence[float], visits: Sequence[float]) -> float | None:
    """The best child: how good a node is if every later choice is the best one known."""
    best = best_child(values, visits)
    return own if best is None else best


def x1_rule(
    own: float | None,
    count: float,
    values: Sequence[float],
    visits: Sequence[float],
    gamma: float = 0.96,
    rate: float = 1.0,
) -> float | None:
    """`x1_backup`; a node without an own value takes its children's discounted mean whole."""
    mean = child_mean(values, visits)
    if mean is None:
        return own
    return gamma * mean if own is None else (1.0 - rate) * own + rate * gamma * mean


def rest_mcts_rule(own: float | None, count: float, values: Sequence[float], visits: Sequence[float]) -> float | None:
    """ReST-MCTS*: `sum(V_c N_c) / sum(N_c)`; the own value counts only while there is no child (arXiv 2406.03816)."""
    mean = child_mean(values, visits)
    return own if mean is None else mean


def berry_rule(
    own: float | None, count: float, values: Sequence[float], visits: Sequence[float], gamma: float = 0.1
) -> float | None:
    """`berry_backup` from the best child.

    The paper's s' is the child the search came up from. The best one makes the value independent of the order of
    arrival; with one child the two are the same.
    """
    best = best_child(values, visits)
    return own if best is None else best if own is None else berry_backup(own, best, gamma)


def mctsr_rule(own: float | None, count: float, values: Sequence[float], visits: Sequence[float]) -> float | None:
    """MCTSr: `(own + best child) / 2` (arXiv 2406.07394)."""
    best = best_child(values, visits)
    return own if best is None else best if own is None else 0.5 * (own + best)


def td_rule(
    own: float | None,
    count: float,
    values: Sequence[float],
    visits: Sequence[float],
    gamma: float = 0.96,
    rate: float = 1.0,
) -> float | None:
    """`td_backup` without a reward on the way: search rewards answers only."""
    best = best_child(values, visits)
    return own if best is None else gamma * best if own is None else td_backup(own, best, 0.0, gamma, rate)


BACKUPS: dict[str, BackupRule] = {
    "mean": mean_rule,
    "max": max_rule,
    "x1": x1_rule,
    "rest-mcts": rest_mcts_rule,
    "berry": berry_rule,
    "mctsr": mctsr_rule,
    "td": td_rule,
}
"""The rules by name, with the parameters of their papers; bind others with `functools.partial`."""
