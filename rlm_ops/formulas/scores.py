"""Selection scores: how urgent a child is, from its value and from visit counts.

Where a count is 0 the value is a stated convention, never a division by zero. Nothing here knows of nodes, trees or
models. Scores are only comparable among the children of one parent.

Symbols: `q` is a child's mean value, `parent_visits` and `visits` are N of the parent and of the child, `c` weighs
exploration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.priors import softmax

Schedule = Literal["const", "lin", "exp"]

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


def rest_mcts_uct(value: float, parent_visits: float, visits: float, c: float = 0.7) -> float:
    """ReST-MCTS*: `V + c * sqrt(2 ln N_p / N_c)`; an unvisited child scores `V + 1` (arXiv 2406.03816, release)."""
    if visits <= 0:
        return value + 1.0
    return value + c * math.sqrt(2.0 * _log_visits(parent_visits) / visits)


def rstar_uct(q: float, parent_visits: float, visits: float, c: float = 2.0) -> float:
    """rStar-Math: `q + c * sqrt(ln N_p / N_c)`, c = 2; an unvisited child scores 0 (arXiv 2501.04519, release)."""
    return uct(q, parent_visits, visits, c, unvisited=0.0)


def rstar_weight(rollout: int, rollouts: int, weight: float = 2.0, schedule: Schedule = "const") -> float:
    """The exploration weight of rStar at one rollout, falling towards a tenth of `weight` (arXiv 2408.06195).

    As in the release (default `const`): `const`: `c`; `lin`: `c * (1 - 0.9 i / n)`; `exp`: `c * 0.1 ** (i / n)`.

    Args:
        rollout: i, counted from 0; rollouts past the last keep the last weight.
        rollouts: n, how many there will be.
        weight: c.
        schedule: How the weight falls.

    Raises:
        BadInput: There are no rollouts, or no such schedule.
    """
    if rollouts < 1:
        raise BadInput("a weight schedule needs at least one rollout")
    done = min(1.0, max(0, rollout) / rollouts)
    if schedule == "const":
        return weight
    if schedule == "lin":
        return weight * (1.0 - 0.9 * done)
    if schedule == "exp":
        return weight * math.pow(0.1, done)
    raise BadInput(f"unknown weight schedule {schedule!r}: use const, lin or exp")


def lats_uct(value: float, parent_visits: float, visits: float, c: float = 1.0) -> float:
    """LATS: `V + c * sqrt(2 ln N_p / N_c)`, V being the mean value (arXiv 2310.04406, release).

    An unvisited child scores its own value, as in the release. Marco-o1's second release has the same form, c = 1.414.
    """
    if visits <= 0:
        return value
    return value + c * math.sqrt(2.0 * _log_visits(parent_visits) / visits)


def mctsr_ucb(value: float, parent_visits: float, visits: float, c: float = 1.4, epsilon: float = 1e-5) -> float:
    """MCTSr: `Q + c * sqrt(ln(N_p + 1) / (N_c + epsilon))` (arXiv 2406.07394); finite at N_c = 0."""
    return value + c * math.sqrt(math.log(parent_visits + 1.0) / (visits + epsilon))


def omegaprm_value(mc: float, tokens: float, alpha: float = 0.5, beta: float = 0.9, length: float = 500.0) -> float:
    """OmegaPRM: `alpha ** (1 - MC) * beta ** (len / L)`: which wrong rollout to look into (arXiv 2406.06592).

    Args:
        mc: Share of the state's rollouts that are correct: hopeful states with wrong rollouts teach most.
        tokens: Length of the rollout.
        alpha: Weight of doubt.
        beta: Weight of length: long rollouts are put off.
        length: L, in the unit of `tokens`.
    """
    return math.pow(alpha, 1.0 - mc) * math.pow(beta, tokens / length)


def omegaprm_bonus(total_visits: float, visits: float, c: float = 0.125) -> float:
    """OmegaPRM's exploration term: `c * sqrt(sum N) / (1 + N)` over the states of the pool (arXiv 2406.06592)."""
    return c * math.sqrt(total_visits) / (1.0 + visits)


def aflow_mixture(
    scores: Sequence[float], uniform: float = 0.3, alpha: float = 0.2, scale: float = 100.0
) -> list[float]:
    """AFlow: the chance of each design to become a parent, `lambda / n + (1 - lambda) * softmax(alpha * score)`.

    arXiv 2410.10762; scores of 0 to 1 are multiplied by `scale`, and `uniform` is lambda.
    """
    share = uniform / len(scores) if scores else 0.0
    return [share + (1.0 - uniform) * chance for chance in softmax([alpha * scale * score for score in scores])]
